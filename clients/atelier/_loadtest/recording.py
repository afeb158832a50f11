"""What a run recorded, by the seconds in which its requests were due."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from atelier._loadtest.latencies import Latencies, merged
from atelier._loadtest.loops import Outcome

MAX_INTERVALS = 600


@dataclass
class Interval:
    """The requests that were due in an interval of time.

    Attributes:
        latencies: From the planned moment to the response.
        failures: How many failed, by what failed.
        done: How many requests, due at any time, were answered within this interval.
        ended: How many were answered or failed within it.
    """

    latencies: Latencies = field(default_factory=Latencies)
    failures: Counter[str] = field(default_factory=Counter)
    done: int = 0
    ended: int = 0


class Recording:
    """The outcomes of a run.

    Args:
        seconds: How long the run is.
        warmup: Seconds at its start whose requests do not count.
    """

    def __init__(self, seconds: float, warmup: float = 0.0) -> None:
        self.warmup = warmup
        self.width = max(1.0, -(-seconds // MAX_INTERVALS))
        self.intervals: list[Interval] = []
        self.by_model: defaultdict[str, Latencies] = defaultdict(Latencies)
        self.lateness = Latencies()
        """How late the client sent."""
        self.service = Latencies()
        """From the sending to the response: what a client that hides its lateness would report."""
        self.pixels = 0
        self.last_done = 0.0

    def record(self, outcome: Outcome, model: str, pixels: int) -> None:
        """Adds an outcome, unless it was due before the warm-up was over."""
        planned = outcome.planned - self.warmup
        if planned < 0:
            return
        done = outcome.done - self.warmup
        interval = self._at(planned)
        latency = outcome.done - outcome.planned
        by_model = self.by_model[model]
        self.lateness.record(outcome.sent - outcome.planned)
        self.last_done = max(self.last_done, done)
        self._at(done).ended += 1
        if outcome.failure:
            interval.failures[outcome.failure] += 1
            for latencies in (interval.latencies, by_model, self.service):
                latencies.failed += 1
            return
        interval.latencies.record(latency)
        by_model.record(latency)
        self.service.record(outcome.done - outcome.sent)
        self._at(done).done += 1
        self.pixels += pixels

    def latencies(self, start: float = 0.0, end: float = float("inf")) -> Latencies:
        """Those of the intervals whose middle is from `start` to `end` seconds."""
        return merged(interval.latencies for interval in self.between(start, end))

    def between(self, start: float, end: float) -> list[Interval]:
        """The intervals whose middle is from `start` to `end` seconds."""
        return [
            interval
            for number, interval in enumerate(self.intervals)
            if start <= (number + 0.5) * self.width < end
        ]

    def failures(self) -> Counter[str]:
        """How many failed, by what failed."""
        return sum((interval.failures for interval in self.intervals), Counter[str]())

    def _at(self, moment: float) -> Interval:
        number = int(moment // self.width)
        while len(self.intervals) <= number:
            self.intervals.append(Interval())
        return self.intervals[number]
