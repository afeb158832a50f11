"""Where the time of a request goes, by the client's clock and the server's own statistics."""

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from atelier._attempts import USE_CLIENT_DEFAULT
from atelier._client import Client
from atelier._messages import model_config, model_statistics

Answer = TypeVar("Answer")

# Not `compute_output`: it goes on after a step's answer is on its way, beside the next step.
_COMPUTE = ("compute_input", "compute_infer")
# The server counts a step just after its answer has left, so it is asked again for a while.
_SECONDS_TO_COUNT = 1.0


@dataclass(frozen=True)
class Timing:
    """The time of one request, in milliseconds.

    Attributes:
        total: From the call to the answer, by the client's clock.
        queue: Waiting in the queues of all steps.
        network: Computing in the style network.
        pictures: Computing in the other steps: decoding, reading the style, encoding.
    """

    total: float
    queue: float
    network: float
    pictures: float

    @property
    def rest(self) -> float:
        """What is left: the way there and back, the client, and handing on between the steps."""
        return self.total - self.queue - self.network - self.pictures


class Stopwatch:
    """Times requests to `stylize`, one at a time, and splits their time with Triton's statistics.

    Args:
        client: Its connection is used for the questions about the statistics too.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        config = self._ask(lambda: model_config("stylize"))
        self._steps = [step.model_name for step in config.ensemble_scheduling.step]

    def time(self, request: Callable[[], Answer]) -> tuple[Answer, Timing | None]:
        """Runs `request` and times it.

        Returns:
            The answer, and its timing, or None where other requests came between.
        """
        before = self._counters()
        start = time.perf_counter()
        answer = request()
        total = (time.perf_counter() - start) * 1e3
        return answer, self._split(total, before)

    def _split(self, total: float, before: dict[tuple[str, str], int]) -> Timing | None:
        give_up = time.monotonic() + _SECONDS_TO_COUNT
        while True:
            after = self._counters()
            delta = {key: after[key] - before[key] for key in after}
            counts = [delta[step, "count"] for step in self._steps]
            if all(count == 1 for count in counts):
                break
            if any(count > 1 for count in counts) or time.monotonic() > give_up:
                return None
            time.sleep(0.005)
        return Timing(
            total=total,
            queue=sum(delta[step, "queue"] for step in self._steps) / 1e6,
            network=delta["style", "compute"] / 1e6,
            pictures=sum(delta[step, "compute"] for step in self._steps if step != "style") / 1e6,
        )

    def _counters(self) -> dict[tuple[str, str], int]:
        counters: dict[tuple[str, str], int] = defaultdict(int)
        for model in self._ask(model_statistics):
            statistics = model.inference_stats
            counters[model.name, "count"] += statistics.success.count
            counters[model.name, "queue"] += statistics.queue.ns
            for part in _COMPUTE:
                counters[model.name, "compute"] += getattr(statistics, part).ns
        return counters

    def _ask(self, question: Callable[[], Any]) -> Any:
        return self._client._run(question, self._client._attempts(USE_CLIENT_DEFAULT))
