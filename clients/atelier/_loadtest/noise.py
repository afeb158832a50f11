"""Between which values the figures of a run lie, bursts of late requests taken into account.

The bounds by rank of `confidence.py` hold for independent requests. Those that wait in one queue
are late together; so a run is cut into ten blocks as well, which are drawn again and again with
replacement (the non-overlapping block bootstrap; Lahiri, "Resampling Methods for Dependent Data",
2.5). The wider bounds count. In simulated queues (`bench/loadtest_noise.py`: one worker, arrivals
at random, runs of 30 to 60 s) the bounds of two runs of the same server then miss each other in 3
of 100 pairs at most at utilisations of 0.5 to 0.8, and in 9 at 0.9 with 20 requests a second, where
a queue takes about as long to build up as the run; by rank alone in up to 56, and in 77.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from atelier._loadtest.confidence import CONFIDENCE, at_most
from atelier._loadtest.latencies import Latencies, Percentile, merged

Numbers: TypeAlias = npt.NDArray[np.float64]

LEAST_INTERVALS: Final = 5
"""Of fewer intervals, nobody knows how much they vary."""
_BLOCKS: Final = 10
_DRAWS: Final = 2000


@dataclass(frozen=True)
class Interval:
    """An interval of a run.

    Attributes:
        latencies: Of the requests that were due in it.
        done: How many requests were answered in it.
    """

    latencies: Latencies
    done: int


class Sample:
    """Intervals of a run at one rate, and what follows from them.

    Args:
        intervals: At least `LEAST_INTERVALS`.
        width: Seconds of each.
    """

    def __init__(self, intervals: Sequence[Interval], width: float) -> None:
        edges = np.linspace(0, len(intervals), min(_BLOCKS, len(intervals)) + 1).astype(int)
        blocks = [intervals[start:end] for start, end in pairwise(edges.tolist())]
        parts = [merged(each.latencies for each in block) for block in blocks]
        self.whole = merged(parts)
        counts = np.array([part.counts() for part in parts], np.float64)
        failed = np.array([[part.failed] for part in parts], np.float64)
        # A column for each latency that occurs, in ascending order, and one for failures.
        columns = np.hstack([counts[:, self.whole.counts() > 0], failed])
        self._values = np.array([end - 1e-6 for _, end, _ in self.whole.buckets()] + [np.inf])
        self._done = np.array([sum(each.done for each in block) for block in blocks])
        self._seconds = np.array([len(block) * width for block in blocks])
        count = len(blocks)
        random = np.random.default_rng(0)
        self._draws: Numbers = random.multinomial(count, np.full(count, 1 / count), _DRAWS) * 1.0
        # How many requests of each draw were no later than that.
        self._sums: Numbers = np.cumsum(self._draws @ columns, axis=1)
        self._failed: Numbers = self._draws @ failed[:, 0]
        # Blocks so few vary by less than the time that they stand for.
        self._widened = 1 + 3 / count

    def percentile(self, quantile: float) -> Percentile | None:
        """In seconds; None where there are too few requests."""
        by_rank = self.whole.percentile(quantile)
        if by_rank is None:
            return None
        least = np.ceil(quantile * self._sums[:, -1:] - 1e-6)
        at = (self._sums >= least).argmax(axis=1)
        low, middle, high = _spread(self._values[at])
        # Latencies vary by a factor rather than by a difference.
        if np.isfinite(middle):
            low, high = (
                middle * (low / middle) ** self._widened,
                middle * (high / middle) ** self._widened,
            )
        return Percentile(min(by_rank.low, low), by_rank.value, max(by_rank.high, high))

    def failed_share(self) -> Percentile:
        """The share of the requests that failed."""
        by_block = self._bounds(self._failed / np.maximum(self._sums[:, -1], 1))
        low, high = share_bounds(self.whole.failed, self.whole.total)
        value = self.whole.failed / max(self.whole.total, 1)
        return Percentile(max(0.0, min(low, by_block[0])), value, max(high, by_block[1]))

    def answered(self) -> Percentile:
        """Answered requests a second."""
        low, high = self._bounds(self._draws @ self._done / (self._draws @ self._seconds))
        return Percentile(max(low, 0.0), self._done.sum() / self._seconds.sum(), high)

    def _bounds(self, values: Numbers) -> tuple[float, float]:
        low, middle, high = _spread(values)
        return middle + (low - middle) * self._widened, middle + (high - middle) * self._widened


def samples(run: dict[str, Any]) -> dict[str, Sample]:
    """The parts of a run at one rate each, by their rates as a report names them.

    Raises:
        ValueError: A part is too short.
    """
    width = run["interval_seconds"]
    every = [
        Interval(Latencies.decoded(each["latencies"], sum(each["failures"].values())), each["done"])
        for each in run["intervals"]
    ]
    several = len({point["rate"] for point in run["points"]}) > 1
    parts = (
        {f"at {p['rate']:.4g}/s": (p["start"], p["start"] + p["seconds"]) for p in run["points"]}
        if several
        else {"": (0.0, run["seconds"])}
    )
    found = {}
    for name, (start, end) in parts.items():
        inside = [
            each for number, each in enumerate(every) if start <= (number + 0.5) * width < end
        ]
        if len(inside) < LEAST_INTERVALS:
            raise ValueError(
                f"{end - start:g} s {name or 'in all'} are too few to know the noise; "
                f"give --seconds {LEAST_INTERVALS * len(parts)} or more"
            )
        found[name] = Sample(inside, width)
    return found


def share_bounds(count: int, total: int) -> tuple[float, float]:
    """Between which values a share lies, by a count of independent requests.

    These are the bounds of Clopper and Pearson, Biometrika 26, 404 (1934), with `CONFIDENCE` each.
    """
    doubt = 1 - CONFIDENCE
    low = _root(lambda share: 1 - at_most(total, share, count - 1) < doubt) if count else 0.0
    high = _root(lambda share: at_most(total, share, count) > doubt) if count < total else 1.0
    return low, high


def _root(below: Callable[[float], bool]) -> float:
    """The share up to which something is the case."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) else (low, middle)
    return low


def _spread(values: Numbers) -> tuple[float, float, float]:
    """The bounds and the middle of drawn values, which may be infinite."""
    at = [1 - CONFIDENCE, 0.5, CONFIDENCE]
    low, middle, high = np.quantile(values, at, method="inverted_cdf").tolist()
    return low, middle, high
