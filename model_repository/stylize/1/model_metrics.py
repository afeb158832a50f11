"""What Triton does not know of a model's requests, as metrics in the format of Prometheus.

Triton's process holds the metrics, and a change of one is a message to it and back: some 25 µs on
idle cores. So a model only notes what happens, and a thread of its process sends the sums once a
second. Instances and models that use one metric with the same labels add up in it. Steps of traced
requests become spans too.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from spans import Spans

FLUSH_SECONDS = 1.0

REQUESTS = "atelier_requests_total"
REJECTIONS = "atelier_rejections_total"
PIXELS = "atelier_pixels_total"
STYLES = "atelier_style_requests_total"
MOVEMENTS = "atelier_movement_images_total"
COUNTERS = {
    REQUESTS: "Requests by outcome: served; refused, the caller's mistake; abandoned, nobody waits "
    "for the answer; overloaded, a queue was full or the time in it over; failed, our own fault",
    REJECTIONS: "Refused requests by what was wrong with them",
    PIXELS: "Pixels of the images that were decoded for a network, after scaling down",
    STYLES: "Requests that ask for a style, alone or in a mix",
    MOVEMENTS: "Generated images by movement",
}
REQUEST_SECONDS = "atelier_request_duration_seconds"
STEP_SECONDS = "atelier_step_duration_seconds"
HISTOGRAMS = {
    REQUEST_SECONDS: "Seconds that a served request spent in the model, its queues apart",
    STEP_SECONDS: "Seconds of a request's steps: queue or bulk_queue, decode, network, encode",
}
BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]
"""Upper bounds of the histograms, in seconds."""
OUTCOMES = ("served", "refused", "abandoned", "overloaded", "failed")

Key = tuple[str, tuple[tuple[str, str], ...]]
"""A metric's name and labels."""


class ModelMetrics:
    """Counts and times of one instance of a model; `close` sends what is left.

    With a Triton that keeps no metrics, everything is taken and nothing sent.
    """

    def __init__(self, utils: Any, model: str, reasons: Iterable[str]) -> None:
        """Makes the families, or joins those that other models have made.

        Args:
            utils: The module `triton_python_backend_utils`.
            model: The label `model` of every metric.
            reasons: Why the model refuses requests.
        """
        self._model = model
        self._lock = threading.Lock()
        self._counts: Counter[Key] = Counter()
        self._seconds: list[tuple[Key, float]] = []
        self._metrics: dict[Key, Any] = {}
        self._families: dict[str, Any] = {}
        self._ended = threading.Event()
        self._spans = Spans(utils, model)
        kind = utils.MetricFamily
        try:
            for name, text in COUNTERS.items():
                self._families[name] = kind(name=name, description=text, kind=kind.COUNTER)
            for name, text in HISTOGRAMS.items():
                self._families[name] = kind(name=name, description=text, kind=kind.HISTOGRAM)
        except Exception as error:
            self._families.clear()
            utils.Logger.log_warn(f"{model}: no metrics of its own: {error}")
        for outcome in OUTCOMES:
            self.count(REQUESTS, 0, outcome=outcome)
        for reason in reasons:
            self.count(REJECTIONS, 0, reason=reason)
        self._sender = threading.Thread(target=self._send, name="metrics", daemon=True)
        self._sender.start()

    def count(self, name: str, amount: int = 1, **labels: str) -> None:
        """Adds to a counter; 0 shows it before anything has happened, so that rates are right."""
        with self._lock:
            self._counts[self._key(name, labels)] += amount

    def ended(self, outcome: str) -> None:
        """Counts a request, see OUTCOMES."""
        self.count(REQUESTS, outcome=outcome)

    def refused(self, reason: str) -> None:
        """Counts a request that was refused."""
        self.ended("refused")
        self.count(REJECTIONS, reason=reason)

    def waited(self, request: Any, seconds: float, bulk: bool) -> None:
        """Notes how long a request waited in the model's own queue, until now."""
        name = "bulk_queue" if bulk else "queue"
        self._observe(STEP_SECONDS, seconds, step=name)
        self._spans.waited(name, request, seconds)

    def served(self, seconds: float) -> None:
        """Counts a request that was served in so many seconds."""
        self.ended("served")
        self._observe(REQUEST_SECONDS, seconds)

    def within(self, request: Any) -> AbstractContextManager[None]:
        """Has the steps of this thread belong to a request."""
        return self._spans.within(request)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Times a step of a request, unless it fails."""
        start = time.perf_counter()
        with self._spans.step(name):
            yield
        self._observe(STEP_SECONDS, time.perf_counter() - start, step=name)

    def close(self) -> None:
        """Sends what is left, and takes this instance's metrics away."""
        self._ended.set()
        self._sender.join()
        self._spans.close()
        # In this order: a metric does not outlive its family.
        self._metrics.clear()
        self._families.clear()

    def _observe(self, name: str, seconds: float, **labels: str) -> None:
        with self._lock:
            self._seconds.append((self._key(name, labels), seconds))

    def _send(self) -> None:
        while not self._ended.wait(FLUSH_SECONDS):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        with self._lock:
            counts, self._counts = self._counts, Counter()
            seconds, self._seconds = self._seconds, []
        if not self._families:
            return
        for key, amount in counts.items():
            self._metric(key).increment(amount)
        for key, each in seconds:
            self._metric(key, BUCKETS).observe(each)

    def _metric(self, key: Key, buckets: list[float] | None = None) -> Any:
        if key not in self._metrics:
            name, labels = key
            more = {} if buckets is None else {"buckets": buckets}
            self._metrics[key] = self._families[name].Metric(labels=dict(labels), **more)
        return self._metrics[key]

    def _key(self, name: str, labels: dict[str, str]) -> Key:
        return name, (("model", self._model), *sorted(labels.items()))
