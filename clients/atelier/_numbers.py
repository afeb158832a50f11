"""Numbers that a caller gives, checked before anything is sent."""

import math
from typing import SupportsFloat, SupportsIndex

from atelier._errors import InvalidRequest


def whole_number(name: str, value: SupportsIndex, least: int) -> int:
    """The value as an int.

    Raises:
        InvalidRequest: It is below `least`.
        TypeError: It is no whole number.
    """
    if not isinstance(value, SupportsIndex):
        raise TypeError(f"{name} is a {type(value).__name__}; give a whole number")
    if value.__index__() < least:
        raise InvalidRequest(f"{name} {value} is not possible: give {least} or more")
    return value.__index__()


def number_between(name: str, value: SupportsFloat, least: float, most: float) -> float:
    """The value as a float.

    Raises:
        InvalidRequest: It is outside `least` to `most`.
        TypeError: It is no number.
    """
    if not isinstance(value, SupportsFloat):
        raise TypeError(f"{name} is a {type(value).__name__}; give a number")
    if math.isnan(value) or not least <= float(value) <= most:
        raise InvalidRequest(f"{name} {value} is not possible: give {least:g} to {most:g}")
    return float(value)
