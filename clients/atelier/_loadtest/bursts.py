"""How much requests say that were late together.

Requests that wait in one queue are not independent: a burst of arrivals or a stall makes many of
them late at once. Where bursts come independently of each other, the number of late requests has
the variance of independent ones times E[s²] / E[s], s being the size of a burst (that of a compound
Poisson distribution). So n requests say as much as n divided by it: the design effect of Kish,
"Survey Sampling", 5.4.

Where hardly a request is late, the size of a burst cannot be seen from those. It is taken from the
slowest requests of the run instead, whose bursts are no shorter. In simulated queues (one worker,
Poisson arrivals, utilisations from 0.55 to 0.9, runs of 20 and 60 s) a rate whose share of late
requests is exactly that of the objective is then said to hold in 1 to 4 % of the runs; were the
requests taken as independent, in 20 to 70 %. A queue that takes about as long as a run to build up
is beyond it: its late requests are still to come.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Numbers: TypeAlias = npt.NDArray[np.float64]

_SLOWEST: Final = 2
"""The slowest requests are this many times those that may be late, and at most half of all."""
_APART: Final = 2
"""Late requests with one between them are still of one burst."""
_DIGITS: Final = 6
"""Of seconds: latencies that differ by less are equal."""


@dataclass(frozen=True)
class Evidence:
    """What requests say of a share.

    Attributes:
        requests: How many there were.
        late: How many of them were late.
        effect: The design effect, 1 or more.
    """

    requests: int
    late: int
    effect: float

    @property
    def independent(self) -> int:
        """How many independent requests say as much."""
        return max(1, int(self.requests / self.effect))

    @property
    def independent_late(self) -> float:
        """How many of those were late."""
        return self.late / self.effect


def evidence(latencies: Numbers, limit: float, share: float) -> Evidence:
    """What requests say of a limit.

    Args:
        latencies: Of each request in the order in which they were due, in seconds; infinite where
            it failed.
        limit: Seconds at which a latency is too long; infinite: a failure only.
        share: Of the requests that may be late.
    """
    late = latencies >= limit
    effect = design_effect(late)
    if np.isfinite(limit):
        effect = max(effect, design_effect(_slowest(latencies, min(_SLOWEST * share, 0.5))))
    return Evidence(len(late), int(late.sum()), effect)


def design_effect(late: npt.NDArray[np.bool_]) -> float:
    """E[s²] / E[s] of the bursts; 1 where no request is late, or all are.

    Where most are late, those of the requests that are not.
    """
    numbers = np.flatnonzero(late if 2 * late.sum() <= len(late) else ~late)
    if not len(numbers):
        return 1.0
    ends = np.flatnonzero(np.diff(numbers) > _APART) + 1
    sizes = np.diff(np.concatenate([[0], ends, [len(numbers)]]))
    return float((sizes**2).sum() / sizes.sum())


def _slowest(latencies: Numbers, share: float) -> npt.NDArray[np.bool_]:
    """Which requests are slower than all but this share of them; those that are equal, are not."""
    rounded = np.round(latencies, _DIGITS)
    return (
        rounded > np.quantile(rounded, 1 - share, method="lower") if len(rounded) else rounded > 0
    )
