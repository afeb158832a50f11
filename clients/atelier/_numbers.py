"""Numbers that a caller gives, checked before anything is sent."""

import math
from typing import SupportsFloat, SupportsIndex

import numpy as np
import numpy.typing as npt

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
    number = _as_float(name, value)
    if not least <= number <= most:  # As NaN is not, either.
        raise InvalidRequest(f"{name} {number} is not possible: give {least:g} to {most:g}")
    return number


def positive_number(name: str, value: SupportsFloat, most: float) -> float:
    """The value as a float.

    Raises:
        InvalidRequest: It is not above 0, or above `most`.
        TypeError: It is no number.
    """
    number = _as_float(name, value)
    if not 0 < number <= most:
        raise InvalidRequest(f"{name} {number} is not possible: give above 0, up to {most:g}")
    return number


def finite_array(
    name: str, values: npt.ArrayLike, dimensions: int, wanted: str
) -> npt.NDArray[np.float32]:
    """The values as an array.

    Args:
        name: What the errors call it.
        values: Numbers.
        dimensions: How many the array has.
        wanted: What to give, as the errors say it.

    Raises:
        InvalidRequest: They are no array of finite numbers with so many dimensions.
    """
    try:
        numbers = np.asarray(values)
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"{name}: it is no array; give {wanted}") from error
    if numbers.dtype.kind not in "iuf":
        raise InvalidRequest(f"{name}: its elements are {numbers.dtype}; give numbers")
    if numbers.ndim != dimensions:
        raise InvalidRequest(f"{name} has the shape {numbers.shape}; give {wanted}")
    with np.errstate(over="ignore"):
        checked = numbers.astype(np.float32)
    wrong = np.argwhere(~np.isfinite(checked))
    if wrong.size:
        place = tuple(wrong[0].tolist())
        raise InvalidRequest(
            f"{name}: element {', '.join(map(str, place))} is {numbers[place]}; give finite "
            "numbers that 32 bits can hold"
        )
    return checked


def _as_float(name: str, value: SupportsFloat) -> float:
    if not isinstance(value, SupportsFloat):
        raise TypeError(f"{name} is a {type(value).__name__}; give a number")
    try:
        return float(value)
    except OverflowError:  # An int beyond every float.
        return math.inf
