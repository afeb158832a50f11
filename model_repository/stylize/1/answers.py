"""From what a model's work gives or raises to the response for Triton, and to the metrics."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from called_network import NetworkError
from model_metrics import ModelMetrics
from queued_model import LATE
from request_queue import TooLateError

SecondsLeft = Callable[[], float]
"""How long the caller of a request waits still."""


class CallerGoneError(Exception):
    """Nobody waits for the answer any more."""


def check_caller(request: Any) -> None:
    """Checks, between two steps, that somebody waits for the next; else raises CallerGoneError."""
    if request.is_cancelled():
        raise CallerGoneError


class Answers:
    """Makes the response to a request; the workers of a model share it."""

    def __init__(
        self,
        utils: Any,
        model: str,
        metrics: ModelMetrics,
        refusals: Mapping[type[Exception], str],
        work: Callable[[Any, SecondsLeft], list[Any]],
    ) -> None:
        """Keeps what it needs.

        Args:
            utils: The module `triton_python_backend_utils`.
            model: The name of the model.
            metrics: Where the outcome of each request is counted.
            refusals: Which errors are mistakes of the caller, and what of.
            work: Makes the tensors of the answer to a request.
        """
        self._utils = utils
        self._model = model
        self._metrics = metrics
        self._refusals = refusals
        self._work = work

    def answer(self, request: Any, seconds_left: SecondsLeft) -> Any:
        """The response to a request, or the error that says why there is none."""
        codes = self._utils.TritonError
        start = time.perf_counter()
        try:
            with self._metrics.within(request):
                tensors = self._work(request, seconds_left)
        except tuple(self._refusals) as error:
            self._metrics.refused(self._refusals[type(error)])
            return self._failure(str(error), codes.INVALID_ARG)
        except CallerGoneError:
            self._metrics.ended("abandoned")
            return self._failure("nobody waits for the answer", codes.CANCELLED)
        except TooLateError as error:
            self._metrics.ended("overloaded")
            return self._failure(f"{LATE}: {error}", codes.UNAVAILABLE)
        except NetworkError as error:
            outcomes = {codes.CANCELLED: "abandoned", codes.UNAVAILABLE: "overloaded"}
            self._metrics.ended(outcomes.get(error.code, "failed"))
            return self._failure(str(error), error.code)
        except Exception as error:
            self._metrics.ended("failed")
            self._utils.Logger.log_error(
                f"[request id: {request.request_id()}] {self._model}: {error!r}"
            )
            return self._failure(f"{self._model} failed: {error!r}", codes.INTERNAL)
        self._metrics.served(time.perf_counter() - start)
        # What nobody asked for, Triton 2.51 takes out of a response while it sends it, without the
        # interpreter's lock: objects of other threads break, and the process crashes.
        asked_for = request.requested_output_names()
        return self._utils.InferenceResponse([each for each in tensors if each.name() in asked_for])

    def _failure(self, message: str, code: int) -> Any:
        return self._utils.InferenceResponse(error=self._utils.TritonError(message, code))
