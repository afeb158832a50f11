"""From values to places on an axis."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_STEPS: Final = (1, 2, 5)


@dataclass(frozen=True)
class Scale:
    """An axis from one value to another.

    Attributes:
        low: At its start; above 0 where it is logarithmic.
        high: At its end, above `low`.
        logarithmic: Whether equal ratios, not equal differences, are equally long.
    """

    low: float
    high: float
    logarithmic: bool = False

    def share(self, value: float) -> float:
        """Where a value is: 0 at the start, 1 at the end; what is outside is put at the edge."""
        low, high, value = (self._spread(each) for each in (self.low, self.high, value))
        return min(max((value - low) / (high - low), 0.0), 1.0)

    def ticks(self, most: int) -> list[float]:
        """Round values on the axis, about `most` of them or fewer."""
        if self.logarithmic:
            every = [step for step in self._log_steps((1, 2, 5)) if self.low <= step <= self.high]
            decades = [step for step in self._log_steps((1,)) if self.low <= step <= self.high]
            return every if len(every) <= most or len(decades) < 2 else decades
        step = round_up((self.high - self.low) / most)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]

    def _spread(self, value: float) -> float:
        return math.log(max(value, self.low)) if self.logarithmic else value

    def _log_steps(self, steps: tuple[int, ...]) -> list[float]:
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        return [step * 10.0**power for power in range(first, last + 1) for step in steps]


def round_up(value: float) -> float:
    """The next number above that is 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (*_STEPS, 10) if step * power >= value * (1 - 1e-9))


def from_zero(values: Iterable[float]) -> Scale:
    """A linear axis from 0 to a round number that is at least every value."""
    most = max(values, default=0.0)
    if most <= 0:
        return Scale(0.0, 1.0)
    step = round_up(most / 5)
    return Scale(0.0, math.ceil(most / step - 1e-9) * step)


def logarithmic(values: Iterable[float]) -> Scale:
    """A logarithmic axis with every value on it; values of 0 have no place there."""
    positive = [value for value in values if 0 < value < math.inf]
    if not positive:
        return Scale(0.001, 1.0, logarithmic=True)
    # A little more than the values need, so that no mark lies on the frame.
    return Scale(_down(min(positive) / 1.1), round_up(max(positive) * 1.1), logarithmic=True)


def _down(value: float) -> float:
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in reversed(_STEPS) if step * power <= value * (1 + 1e-9))
