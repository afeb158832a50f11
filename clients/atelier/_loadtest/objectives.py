"""Objectives of latency and errors, and whether requests show that they hold."""

import math
import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from atelier._loadtest.confidence import at_most, least_requests
from atelier._loadtest.latencies import Latencies

Verdict: TypeAlias = Literal["holds", "fails", "undecided"]

_PERCENTILE: Final = re.compile(r"p(\d+(?:\.\d+)?)<(\d+(?:\.\d+)?)(ms|s)")
_ERRORS: Final = re.compile(r"errors<(\d+(?:\.\d+)?)%")


@dataclass(frozen=True)
class Objective:
    """At most a share of requests may be late; where there is no limit, it may fail.

    Attributes:
        text: As it was written.
        share: Of the requests, such as 0.01 for a p99.
        limit: Seconds, or infinite for a limit of errors alone. A failed request is late, too.
    """

    text: str
    share: float
    limit: float

    def late(self, latency: float) -> bool:
        """Whether a latency (infinite: it failed) is too long."""
        return latency >= self.limit

    def verdict(self, count: int, late: int, doubt: float) -> Verdict:
        """Whether so many late requests of `count` show that it holds, or that it does not.

        Args:
            count: How many requests there were.
            late: How many of them were late.
            doubt: The probability of a wrong "holds", and of a wrong "fails".
        """
        if at_most(count, self.share, late) <= doubt:
            return "holds"
        if 1 - at_most(count, self.share, late - 1) <= doubt:
            return "fails"
        return "undecided"

    def least(self, doubt: float) -> int:
        """How many requests it takes at least."""
        return least_requests(1 - self.share, 0, 1 - doubt)

    def late_of(self, latencies: Latencies) -> int:
        """How many of these are late."""
        if math.isinf(self.limit):
            return latencies.failed
        late = sum(count for start, _, count in latencies.buckets() if self.late(start))
        return latencies.failed + late


def objectives(text: str) -> list[Objective]:
    """Objectives from `p99<300ms, errors<1%`.

    Raises:
        ValueError: One of them cannot be read.
    """
    return [_objective(part.strip()) for part in text.split(",")]


def _objective(text: str) -> Objective:
    plain = re.sub(r"\s+", "", text).lower()
    if found := _PERCENTILE.fullmatch(plain):
        percent, limit = float(found[1]), float(found[2])
        if 0 < percent < 100 and limit > 0:
            seconds = limit / 1e3 if found[3] == "ms" else limit
            return Objective(plain, round(1 - percent / 100, 12), seconds)
    if (found := _ERRORS.fullmatch(plain)) and 0 < float(found[1]) < 100:
        return Objective(plain, float(found[1]) / 100, math.inf)
    raise ValueError(
        f"objective {text!r}: write a percentile and a time, such as p99<300ms or p95<1.5s, or "
        "errors<1%"
    )
