"""Where the time of a request goes, by the client's clock and the server's own statistics."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from atelier import Client, ModelStatistics

Answer = TypeVar("Answer")

# The server counts a step just after its answer has left, so it is asked again for a while.
_SECONDS_TO_COUNT = 1.0


@dataclass(frozen=True)
class Timing:
    """The time of one request, in milliseconds.

    Attributes:
        total: From the call to the answer, by the client's clock.
        queue: Waiting for the style network.
        network: Computing in it.
    """

    total: float
    queue: float
    network: float

    @property
    def rest(self) -> float:
        """What is left: decoding, encoding, the way there and back, and the client.

        Triton does not see what `stylize` does once it has taken a request over.
        """
        return self.total - self.queue - self.network


class Stopwatch:
    """Times requests to `stylize`, one at a time, and splits their time with Triton's statistics.

    Args:
        client: Asked for the statistics, too.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._models = ["stylize", *client.steps("stylize")]

    def time(self, request: Callable[[], Answer]) -> tuple[Answer, Timing | None]:
        """Runs `request` and times it.

        Returns:
            The answer, and its timing, or None where other requests came between.
        """
        before = self._client.statistics()
        start = time.perf_counter()
        answer = request()
        total = (time.perf_counter() - start) * 1e3
        return answer, self._split(total, before)

    def _split(self, total: float, before: Mapping[str, ModelStatistics]) -> Timing | None:
        give_up = time.monotonic() + _SECONDS_TO_COUNT
        while True:
            after = self._client.statistics()
            counts = [after[model].requests - before[model].requests for model in self._models]
            if all(count == 1 for count in counts):
                break
            if any(count > 1 for count in counts) or time.monotonic() > give_up:
                return None
            time.sleep(0.005)
        then, now = before["style"], after["style"]
        return Timing(total, (now.queue - then.queue) * 1e3, (now.compute - then.compute) * 1e3)
