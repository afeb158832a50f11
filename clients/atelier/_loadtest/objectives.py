"""Objectives of latency and errors, and whether requests show that they hold."""

import math
import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from atelier._loadtest.bursts import Evidence
from atelier._loadtest.confidence import CONFIDENCE, at_most, least_requests

Verdict: TypeAlias = Literal["holds", "fails", "undecided"]

DOUBT: Final = 1 - CONFIDENCE
"""The probability of a wrong "holds", and of a wrong "fails"."""

_PERCENTILE: Final = re.compile(r"p(\d+(?:\.\d+)?)<(\d+(?:\.\d+)?)(ms|s)")
_ERRORS: Final = re.compile(r"errors<(\d+(?:\.\d+)?)%")


@dataclass(frozen=True)
class Objective:
    """At most a share of the requests may be late.

    Attributes:
        text: As it was written.
        share: Of the requests, such as 0.01 for a p99.
        limit: Seconds from the planned moment; infinite where a request is late only if it failed.
            A failed request is always late.
    """

    text: str
    share: float
    limit: float

    @property
    def is_a_percentile(self) -> bool:
        """Whether it is about latency, not about errors alone."""
        return math.isfinite(self.limit)

    @property
    def least(self) -> int:
        """How many requests it takes at least to show that it holds."""
        return least_requests(1 - self.share)

    def holds(self, evidence: Evidence) -> bool:
        """Whether so few are late that a share above the objective's is hardly possible."""
        late = math.ceil(evidence.independent_late - 1e-9)
        return at_most(evidence.independent, self.share, late) <= DOUBT

    def fails(self, evidence: Evidence, doubt: float = DOUBT) -> bool:
        """Whether so many are late that a share below the objective's is hardly possible."""
        late = math.floor(evidence.independent_late + 1e-9)
        return 1 - at_most(evidence.independent, self.share, late - 1) <= doubt


def objectives(text: str) -> list[Objective]:
    """Objectives from `p99<300ms, errors<1%`.

    Raises:
        ValueError: One of them cannot be read, or is there twice.
    """
    found = [_objective(part.strip()) for part in text.split(",")]
    if len({each.text for each in found}) < len(found):
        raise ValueError(f"objectives {text!r}: give each one once")
    return found


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
