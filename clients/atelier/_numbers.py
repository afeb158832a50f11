"""Numbers that a caller gives, checked before anything is sent."""

import math
from typing import SupportsFloat, SupportsIndex

from atelier._errors import InvalidRequest


def whole_number(name: str, value: SupportsIndex, least: int, most: int | None = None) -> int:
    """The value as an int.

    Raises:
        InvalidRequest: It is below `least`, or above `most`.
        TypeError: It is no whole number.
    """
    if not isinstance(value, SupportsIndex):
        raise TypeError(f"{name} is a {type(value).__name__}; give a whole number")
    number = value.__index__()
    if number < least or (most is not None and number > most):
        allowed = f"{least} or more" if most is None else f"{least} to {most}"
        raise InvalidRequest(f"{name} {number} is not possible: give {allowed}")
    return number


def number_between(name: str, value: SupportsFloat, least: float, most: float) -> float:
    """The value as a float.

    Raises:
        InvalidRequest: It is not from `least` to `most`.
        TypeError: It is no number.
    """
    if not isinstance(value, SupportsFloat):
        raise TypeError(f"{name} is a {type(value).__name__}; give a number")
    try:
        number = float(value)
    except OverflowError:  # An int beyond every float.
        number = math.inf
    if not least <= number <= most:  # As NaN is not, either.
        raise InvalidRequest(f"{name} {number} is not possible: give {least:g} to {most:g}")
    return number
