"""The rate over time, and the moments at which requests are due."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Moments: TypeAlias = npt.NDArray[np.float64]
"""Seconds from the start, in ascending order."""
Arrivals: TypeAlias = Literal["poisson", "constant"]

MAX_REQUESTS = 20_000_000
_RAMP_PARTS = 10


@dataclass(frozen=True)
class Segment:
    """A time in which the rate goes from one value to another on a straight line.

    Attributes:
        seconds: Its length.
        first: Requests a second at its start.
        last: The same at its end.
    """

    seconds: float
    first: float
    last: float

    @property
    def requests(self) -> float:
        """How many requests are due in it, on average."""
        return self.seconds * (self.first + self.last) / 2


def steady(rate: float, seconds: float) -> list[Segment]:
    """One rate for the whole time."""
    return [Segment(seconds, rate, rate)]


def ramp(first: float, last: float, seconds: float) -> list[Segment]:
    """From one rate to another, in ten parts, so that each has a latency of its own."""
    edges = np.linspace(first, last, _RAMP_PARTS + 1).tolist()
    return [Segment(seconds / _RAMP_PARTS, start, end) for start, end in pairwise(edges)]


def steps(rates: Sequence[float], seconds: float) -> list[Segment]:
    """One rate after another, each for the same part of the time."""
    return [Segment(seconds / len(rates), rate, rate) for rate in rates]


def moments(
    segments: Sequence[Segment], arrivals: Arrivals, random: np.random.Generator
) -> Moments:
    """The moments of arrival.

    Arrivals of one a second, evenly spaced or a Poisson process, are moved to where the rate's
    integral reaches them (Cinlar, "Introduction to Stochastic Processes", 4.7).

    Raises:
        ValueError: They are too many.
    """
    expected = sum(segment.requests for segment in segments)
    if expected > MAX_REQUESTS:
        raise ValueError(f"{expected:,.0f} requests: {MAX_REQUESTS:,} is the most for one run")
    if arrivals == "constant":
        # A request that is due at the very end belongs to the next run, whatever is rounded.
        due = np.arange(math.ceil(expected - 1e-6), dtype=np.float64)
    else:
        # Six deviations more than expected, so that they reach the end.
        gaps = random.exponential(size=math.ceil(expected + 6 * math.sqrt(expected) + 20))
        due = np.cumsum(gaps)
        due = due[due < expected]
    found, start, before = [], 0.0, 0.0
    for segment in segments:
        here = due[(due >= before) & (due < before + segment.requests)] - before
        found.append(start + _reached(segment, here))
        start, before = start + segment.seconds, before + segment.requests
    return np.concatenate(found)


def trace(file: Path) -> Moments:
    """The moments in a text file: one a line, in seconds, from any zero on.

    Raises:
        ValueError: A line is no number, or there are none or too many of them.
        OSError: The file cannot be read.
    """
    found = []
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            found.append(float(line))
        except ValueError:
            found.append(math.nan)
        if not math.isfinite(found[-1]):
            raise ValueError(f"{file}, line {number}: {line[:40]!r} is no number of seconds")
    if not 0 < len(found) <= MAX_REQUESTS:
        raise ValueError(f"{file} has {len(found):,} arrivals; give 1 to {MAX_REQUESTS:,}")
    ascending = np.sort(np.array(found))
    return np.asarray(ascending - ascending[0])


def _reached(segment: Segment, due: Moments) -> Moments:
    """Seconds into the segment at which its rate's integral is `due`."""
    slope = (segment.last - segment.first) / segment.seconds
    # The root of slope / 2 · t² + first · t = due, in the form that also holds for a slope of 0.
    root = np.sqrt(np.maximum(segment.first**2 + 2 * slope * due, 0))
    denominator = segment.first + root
    return np.asarray(np.divide(2 * due, denominator, np.zeros_like(due), where=denominator > 0))
