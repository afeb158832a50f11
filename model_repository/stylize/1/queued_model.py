"""Triton's side of the queue: takes requests, and has workers answer them."""

import json
import math
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from model_metrics import ModelMetrics
from request_queue import QueueFullError, RequestQueue, TooLateError, Waiting
from whole_numbers import ABOVE_0, read_whole_numbers

BOUNDS = ("workers", "max_queue_size", "max_queue_bytes", "max_request_seconds")
"""Parameters of a configuration: see `RequestQueue`, and the last in `QueuedModel`."""
GAUGE = "atelier_queue_requests"
GAUGE_SECONDS = 0.05
"""Between two messages to Triton, which holds the metrics."""
LOOK_SECONDS = 1.0
"""Between two looks at how long the workers have been at their requests."""

# Both begin as Triton's own messages do, which clients know.
FULL = "Exceeds maximum queue size"
LATE = "Request timeout expired"
HANGING = 70
"""The exit code of a process whose worker hangs (EX_SOFTWARE)."""


class QueuedModel:
    """The queue and the workers of a model, within one process.

    What becomes of a request that is not worked at is decided here, and nowhere else.
    """

    def __init__(
        self,
        utils: Any,
        name: str,
        queue: RequestQueue[Any],
        answer: Callable[[Any, Callable[[], float]], Any],
        workers: int,
        max_seconds: float,
        ended: Callable[[str], None] = lambda _: None,
        waited: Callable[[Any, float, bool], None] = lambda *_: None,
    ) -> None:
        """Starts the workers.

        Args:
            utils: The module `triton_python_backend_utils`.
            name: The name of the model.
            queue: Where requests wait.
            answer: Makes the response to a request; it also gets a function that tells how many
                seconds its caller waits still.
            workers: How many threads work.
            max_seconds: How long a request may be in work. This process ends if one takes longer:
                whatever hangs, a server that starts again is better than one that never answers.
            ended: Told "overloaded" or "abandoned" of a request that is not worked at.
            waited: Told of a request how many seconds it waited for a worker, and whether it is
                bulk.
        """
        self._utils = utils
        self._queue = queue
        self._answer = answer
        self._ended = ended
        self._waited = waited
        self._max_seconds = max_seconds
        self._began_at: dict[int, float] = {}
        self._changed = threading.Event()
        self._closed = False
        kind = utils.MetricFamily
        text = "Requests that wait for a worker"
        self._family = kind(name=GAUGE, description=text, kind=kind.GAUGE)
        self._gauge = self._family.Metric(labels={"model": name})
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(workers)]
        self._threads.append(threading.Thread(target=self._watch, daemon=True))
        for thread in self._threads:
            thread.start()

    @classmethod
    def from_config(
        cls,
        utils: Any,
        args: dict[str, str],
        answer: Callable[[Any, Callable[[], float]], Any],
        metrics: ModelMetrics,
    ) -> "QueuedModel":
        """Starts the workers as a configuration says, with its parameters of `BOUNDS`.

        Args:
            utils: The module `triton_python_backend_utils`.
            args: What Triton gives `initialize`.
            answer: As above.
            metrics: What is told of requests that are not worked at, and of waiting.

        Raises:
            ValueError: A parameter is missing or unusable.
        """
        bounds = read_whole_numbers(args["model_config"], dict.fromkeys(BOUNDS, ABOVE_0))
        workers, max_requests, max_bytes, max_seconds = (bounds[name] for name in BOUNDS)
        queue: RequestQueue[Any] = RequestQueue(workers, max_requests, max_bytes)
        name = args["model_name"]
        return cls(utils, name, queue, answer, workers, max_seconds, metrics.ended, metrics.waited)

    def take(self, request: Any, size: int) -> Any:
        """Queues a request, or refuses it at once.

        Args:
            request: Triton's request. Its parameter `bulk` says that it may wait.
            size: What it holds in memory, in bytes.

        Returns:
            The refusal, for `execute` to return, which takes a third of the time that sending it
            does; None for a request that a worker answers.
        """
        seconds = request.timeout() / 1e6 or math.inf
        try:
            self._queue.put(request, size, seconds, bulk=_is_bulk(request))
        except QueueFullError as error:
            return self._refusal("overloaded", f"{FULL}: {error}")
        except TooLateError as error:
            return self._refusal("overloaded", f"{LATE}: {error}")
        self._changed.set()
        return None

    def close(self) -> None:
        """Ends the workers, once all that wait are answered."""
        self._queue.close()
        self._closed = True
        self._changed.set()
        for thread in self._threads:
            thread.join()
        # In this order: a metric does not outlive its family.
        del self._gauge
        del self._family

    def _work(self) -> None:
        while self._serve_next():
            pass

    def _serve_next(self) -> bool:
        # A function of its own, so that no request is held while the next one is waited for.
        waiting = self._queue.get()
        if waiting is None:
            return False
        self._changed.set()
        self._waited(waiting.item, self._queue.seconds_waited(waiting), waiting.bulk)
        seconds = None
        worker = threading.get_ident()
        start = self._began_at[worker] = time.monotonic()
        response = self._late_refusal(waiting)
        if response is None:
            response = self._answer(waiting.item, partial(self._queue.seconds_left, waiting))
            if not response.has_error():
                seconds = time.monotonic() - start
        self._send(waiting.item, response)
        del self._began_at[worker]
        self._queue.done(waiting, seconds)
        return True

    def _late_refusal(self, waiting: Waiting[Any]) -> Any:
        """The refusal of a request that was not worth waiting for, or None."""
        if self._queue.seconds_left(waiting) <= 0:
            return self._refusal("overloaded", f"{LATE}: it waited too long")
        if waiting.item.is_cancelled():
            return self._refusal("abandoned", "nobody waits for the answer")
        return None

    def _refusal(self, outcome: str, message: str) -> Any:
        self._ended(outcome)
        error = self._utils.TritonError
        code = error.CANCELLED if outcome == "abandoned" else error.UNAVAILABLE
        return self._utils.InferenceResponse(error=error(message, code))

    def _send(self, request: Any, response: Any) -> None:
        final = self._utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL
        sender = request.get_response_sender()
        try:
            sender.send(response, flags=final)
        except Exception as error:  # Above all where the shared memory is full.
            failure = self._utils.TritonError(str(error), self._utils.TritonError.INTERNAL)
            sender.send(self._utils.InferenceResponse(error=failure), flags=final)

    def _watch(self) -> None:
        while not self._closed:
            if self._changed.wait(LOOK_SECONDS):
                self._changed.clear()
                self._gauge.set(len(self._queue))
                time.sleep(GAUGE_SECONDS)
            oldest = min(list(self._began_at.values()), default=math.inf)
            if time.monotonic() - oldest > self._max_seconds:
                self._utils.Logger.log_error(
                    f"a request has been in work for {self._max_seconds:g} s: this process ends, "
                    "so that the server starts again"
                )
                os._exit(HANGING)


def _is_bulk(request: Any) -> bool:
    value = json.loads(request.parameters() or "{}").get("bulk", False)
    return str(value).lower() in ("true", "1")
