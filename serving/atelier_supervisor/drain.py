"""Models that call others finish the requests that they have accepted, before Triton ends."""

import contextlib
import http.client

from atelier_supervisor.model_control import ModelControl, calls


class Drain:
    """Lets models that call others finish the requests that they have accepted.

    Once it is told to end, Triton gives nothing more to any model, also not what an ensemble has
    still to send to its next step, or the code of a model to another; such a request fails. So they
    are unloaded first: they refuse new requests, finish theirs, and are gone.
    """

    def __init__(self, control: ModelControl) -> None:
        """Prepares a drain."""
        self._control = control

    def begin(self) -> None:
        """Has them refuse new requests; does nothing where Triton does not answer."""
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            for model in self._control.served():
                if calls(self._control.config(model)):
                    self._control.unload(model)

    def is_over(self) -> bool:
        """Whether every model that was unloaded is gone, or nobody is there to tell."""
        try:
            return not any(entry.get("state") == "UNLOADING" for entry in self._control.index())
        except TimeoutError:
            return False  # busy, and so still at work
        except (OSError, http.client.HTTPException, ValueError):
            return True
