"""Latencies in a histogram of 0.1 %, which can be merged."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from hdrh.histogram import HdrHistogram

from atelier._loadtest.confidence import least_requests, ranks

QUANTILES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}

_LONGEST: Final = 3_600_000_000
_DIGITS: Final = 3
_BYTES: Final = 4
_COUNTS: Final = np.dtype(np.uint32)


@dataclass(frozen=True)
class Percentile:
    """A percentile and its bounds, in seconds; infinite where the request of this rank failed."""

    low: float
    value: float
    high: float


class Latencies:
    """Latencies from 1 µs to 1 hour, in an HdrHistogram of three digits, and what failed.

    A request that failed counts as later than all others: a server that refuses half of its
    requests at once is not a quick one.
    """

    def __init__(self) -> None:
        self._histogram: Any = HdrHistogram(1, _LONGEST, _DIGITS, word_size=_BYTES)
        self.failed = 0

    @property
    def answered(self) -> int:
        """How many latencies there are."""
        return int(self._histogram.get_total_count())

    @property
    def total(self) -> int:
        """How many requests there were, failed ones included."""
        return self.answered + self.failed

    @property
    def longest(self) -> float:
        """Seconds; 0 where there is none."""
        return float(self._histogram.get_max_value()) / 1e6 if self.answered else 0.0

    def record(self, seconds: float) -> None:
        """Adds a latency; what is shorter than 1 µs counts as that, what is longer as an hour."""
        self._histogram.record_value(min(max(round(seconds * 1e6), 1), _LONGEST))

    def add(self, other: "Latencies") -> None:
        """Merges others into these."""
        if other.answered:
            self._histogram.add(other._histogram)
        self.failed += other.failed

    def at_rank(self, rank: int) -> float:
        """The latency of a rank from 1 to `total`, in seconds; 0 for the rank 0."""
        if rank < 1:
            return 0.0
        if rank > self.answered:
            return math.inf
        index = int(np.searchsorted(np.cumsum(self.counts()), rank))
        value = self._histogram.get_value_from_index(index)
        return float(self._histogram.get_highest_equivalent_value(value)) / 1e6

    def percentile(self, quantile: float) -> Percentile | None:
        """The percentile, or None where there are too few requests for it."""
        found = ranks(self.total, quantile)
        if found is None:
            return None
        low, value, high = (self.at_rank(rank) for rank in (found.low, found.middle, found.high))
        return Percentile(low, value, high)

    def counts(self) -> npt.NDArray[np.uint32]:
        """How many latencies each bucket has."""
        counts: npt.NDArray[np.uint32] = np.frombuffer(self._histogram.counts, _COUNTS)
        return counts

    def buckets(self) -> list[tuple[float, float, int]]:
        """The buckets with something in them: from and to, in seconds, and how many."""
        return [(start / 1e6, end / 1e6, count) for start, end, count in self._recorded()]

    def _recorded(self) -> Iterator[tuple[int, int, int]]:
        """The same in microseconds. HdrHistogram's own iterators look at all of 23,552 buckets."""
        counts = self.counts()
        for index in np.flatnonzero(counts).tolist():
            start = self._histogram.get_value_from_index(index)
            yield start, self._histogram.get_highest_equivalent_value(start) + 1, int(counts[index])

    def mean(self) -> float:
        """The mean of those that were answered, in seconds; 0 where there is none."""
        total = sum((start + end) // 2 * count for start, end, count in self._recorded())
        return total / self.answered / 1e6 if self.answered else 0.0

    def encoded(self) -> str:
        """The histogram in HdrHistogram's own format, base64."""
        text: bytes = self._histogram.encode()
        return text.decode()

    def _add_decoded(self, histogram: Any) -> None:
        """Adds what was decoded, whose counts have another size."""
        counts = np.frombuffer(histogram.counts, f"u{histogram.word_size}")
        for index in np.flatnonzero(counts).tolist():
            value = histogram.get_value_from_index(index)
            if not self._histogram.record_value(value, int(counts[index])):
                raise ValueError(f"{value} is longer than an hour")

    @classmethod
    def decoded(cls, text: str, failed: int = 0) -> "Latencies":
        """What `encoded` returned.

        Raises:
            ValueError: It is no such text.
        """
        latencies = cls()
        try:
            latencies._add_decoded(HdrHistogram.decode(text))
        except Exception as error:
            # Malformed text makes the decoder raise almost anything.
            raise ValueError(f"{text[:30]!r}… is no HdrHistogram") from error
        latencies.failed = failed
        return latencies


def merged(parts: Iterable[Latencies]) -> Latencies:
    """All of them in one; nothing is averaged."""
    whole = Latencies()
    for part in parts:
        whole.add(part)
    return whole


def refusal(quantile: float, count: int) -> str:
    """Why there is no percentile."""
    return f"needs {least_requests(quantile):,} requests; there are {count:,}"
