"""The network of a model in Python: another model of the repository, which this one calls.

Triton does not say which version answered a call. So a call asks for one by its number: the newest
of those that are there and ready.
"""

import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from common_options import OptionsError, read_version
from queued_model import FULL

NEWEST = -1
"""What Triton calls the newest version of a model."""
LOOK_SECONDS = 1.0
"""Between two looks at which version is the newest."""
VERSION = "network_version"
"""The parameter of a request, and of a configuration; and the output that says which it was."""
_GONE = "is not ready"
"""In Triton's message where a version is not served."""

Arrays = dict[str, npt.NDArray[Any]]


class NetworkError(Exception):
    """The network did not answer.

    Attributes:
        code: Triton's.
    """

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class CalledNetwork:
    """A network that a configuration names.

    Its parameter `calls` is the name, and `network_version`, which may be missing, the version that
    is called unless a request asks for another.
    """

    def __init__(self, utils: Any, args: dict[str, str]) -> None:
        """Reads the parameters of Triton's model configuration.

        Args:
            utils: The module `triton_python_backend_utils`.
            args: What Triton gives `initialize`.

        Raises:
            ValueError: One is missing or unusable.
        """
        self._utils = utils
        parameters = json.loads(args["model_config"])["parameters"]
        texts = {name: value["string_value"] for name, value in parameters.items()}
        pinned = texts.get(VERSION)
        self._version = read_version(pinned) if pinned else None
        self._name = texts.get("calls", "")
        self._folder = Path(args["model_repository"]).parent / self._name
        self._lock = threading.Lock()
        self._looks_again_at = 0.0
        self._newest = NEWEST
        if not self._name:
            raise ValueError(
                "config.pbtxt has no parameter 'calls': set it to the name of the network"
            )

    def run(
        self, request: Any, version: int | None, inputs: Arrays, outputs: Sequence[str]
    ) -> tuple[Arrays, int]:
        """Calls the network for a request.

        Args:
            request: Triton's, whose id and time the call has too. Not its trace: Triton ends that
                when `execute` returns, and a call that named it later would end the server.
            version: Which the request asks for, or None.
            inputs: By name, batch first.
            outputs: Their names.

        Returns:
            The outputs, batch first; and the version that gave them, or NEWEST where that cannot
            be told.

        Raises:
            NetworkError: It gave none.
            OptionsError: There is no such version.
        """
        utils = self._utils
        wanted = version or self._version
        called = wanted or self._newest_ready()
        response = self._call(request, called, inputs, outputs)
        if not wanted and response.has_error() and _GONE in response.error().message():
            # It went since the last look.
            called = self._newest_ready(anew=True)
            response = self._call(request, called, inputs, outputs)
        if response.has_error():
            message, code = response.error().message(), response.error().code()
            if version and _GONE in message:
                raise OptionsError(
                    f"network_version {version} is not served: leave it out, or use one that is"
                )
            if FULL in message:  # Triton passes it on as a fault.
                message, code = FULL, utils.TritonError.UNAVAILABLE
            raise NetworkError(message, code)
        found = {
            name: utils.get_output_tensor_by_name(response, name).as_numpy() for name in outputs
        }
        return found, called

    def version_tensor(self, version: int, *shape: int) -> Any:
        """The output that says which version it was, INT64 of this shape; 0 for unknown."""
        return self._utils.Tensor(VERSION, np.full(shape, max(0, version), np.int64))

    def _call(self, request: Any, version: int, inputs: Arrays, outputs: Sequence[str]) -> Any:
        utils = self._utils
        return utils.InferenceRequest(
            model_name=self._name,
            model_version=version,
            request_id=request.request_id(),
            requested_output_names=list(outputs),
            inputs=[utils.Tensor(name, each) for name, each in inputs.items()],
            timeout=request.timeout(),
            preferred_memory=utils.PreferredMemory(utils.TRITONSERVER_MEMORY_CPU),
        ).exec()

    def _newest_ready(self, *, anew: bool = False) -> int:
        """The newest version that is ready; NEWEST where the repository is out of sight."""
        with self._lock:
            now = time.monotonic()
            if anew or now >= self._looks_again_at:
                self._newest = next(filter(self._is_ready, self._versions()), NEWEST)
                self._looks_again_at = now + LOOK_SECONDS
            return self._newest

    def _versions(self) -> list[int]:
        try:
            names = [path.name for path in self._folder.iterdir()]
        except OSError:
            return []
        return sorted((int(name) for name in names if name.isdecimal()), reverse=True)

    def _is_ready(self, version: int) -> bool:
        ready: bool = self._utils.is_model_ready(self._name, str(version))
        return ready
