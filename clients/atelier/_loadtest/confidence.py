"""What a number of requests can say about a percentile.

Of n independent requests, the number that is slower than the p99 has the binomial distribution of n
and 1 %. So a bound on a percentile is an order statistic (Hahn and Meeker, "Statistical Intervals",
5.2; MLPerf's counts of queries follow from the same, Reddi et al., arXiv:1911.02549). Requests that
wait in one queue are not independent: a stall makes many of them late together. Then the bounds are
too narrow, and only a longer run, or a second one, shows it.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

CONFIDENCE: Final = 0.99
"""Of each bound."""


def binomial(count: int, share: float, most: int) -> npt.NDArray[np.float64]:
    """The probabilities of at most 0, 1 … `most` of `count`, each with the probability `share`."""
    k = np.arange(most)
    # Each term from the one before it, as logarithms: the first may be too small for a float.
    steps = np.log((count - k) / (k + 1)) + math.log(share) - math.log1p(-share)
    logarithms = count * math.log1p(-share) + np.concatenate([[0.0], np.cumsum(steps)])
    sums: npt.NDArray[np.float64] = np.minimum(np.cumsum(np.exp(logarithms)), 1.0)
    return sums


def at_most(count: int, share: float, late: int) -> float:
    """The probability of at most `late` of `count`."""
    if late < 0:
        return 0.0
    return float(binomial(count, share, min(late, count))[-1])


def least_requests(quantile: float, late: int = 0, confidence: float = CONFIDENCE) -> int:
    """How many requests it takes to say that a quantile is below a limit.

    Args:
        quantile: Between 0 and 1, such as 0.99.
        late: How many of the requests are above the limit.
        confidence: That so few of them would not be late if the quantile were above the limit.
    """
    share, doubt = 1 - quantile, 1 - confidence
    few, many = late, late + 1
    while at_most(many, share, late) > doubt:
        few, many = many, 2 * many
    while many - few > 1:
        middle = (few + many) // 2
        if at_most(middle, share, late) > doubt:
            few = middle
        else:
            many = middle
    return many


@dataclass(frozen=True)
class Ranks:
    """Which of n latencies in ascending order are a quantile and its bounds, from 1 to n.

    Attributes:
        low: At most the quantile, with `CONFIDENCE`; 0 where n is too small for it.
        middle: The quantile of the sample.
        high: At least the quantile, with `CONFIDENCE`.
    """

    low: int
    middle: int
    high: int


def ranks(count: int, quantile: float) -> Ranks | None:
    """The ranks of a quantile, or None where so few requests cannot carry it."""
    if count < least_requests(quantile):
        return None
    below = binomial(count, quantile, count - 1)
    # A latency of rank r is above the quantile where fewer than r of all are below it.
    high = int(np.searchsorted(below, CONFIDENCE)) + 1
    low = int(np.searchsorted(below, 1 - CONFIDENCE, side="right"))
    # The tolerance keeps 0.99 · 700 = 693.0000000000001 at rank 693.
    return Ranks(low, max(1, math.ceil(quantile * count - 1e-9)), min(high, count))
