"""What a request asks for beside the picture and the style.

Read before the picture is decoded: what cannot be done as asked must not cost the decoding first.
Whether the picture fits into the format is seen behind the decoding, and before the network.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from client_text import quote
from common_options import (
    DEFAULT_QUALITY,
    OptionsError,
    check_names,
    read_format,
    read_quality,
    read_version,
    read_yes_or_no,
)
from strength import read_strength

MAX_SIDE = {"jpeg": 65_500, "png": 2**31 - 1, "webp": 16_383}
"""The largest side in pixels that each format holds."""

_WHOLE_NUMBER = re.compile(r"[0-9]{1,19}")


@dataclass(frozen=True)
class Options:
    """A request's options.

    Attributes:
        format: One of FORMATS, or None for the format of the picture.
        quality: 1 to 100, or DEFAULT_QUALITY.
        keep_colors: Whether the answer has the colours of the photograph.
        longest_side: Of the picture that the network paints, in pixels; None leaves it as it is.
        strength: 0, the photograph, to 2; 1 is the style as it is.
        bulk: Whether it waits until no other request does.
        network_version: The version of the network, or None for the model's own choice.
    """

    format: str | None = None
    quality: int = DEFAULT_QUALITY
    keep_colors: bool = False
    longest_side: int | None = None
    strength: float = 1.0
    bulk: bool = False
    network_version: int | None = None


def read_options(parameters: dict[str, object], min_side: int) -> Options:
    """Reads the options that a request gives.

    Numbers, true and false count as themselves and as their text.

    Args:
        parameters: The request's own parameters.
        min_side: The least that `longest_side` can be, in pixels.

    Raises:
        OptionsError: There is no such option, or a value is not among the allowed ones.
        StrengthError: The strength is none.
    """
    readers: dict[str, Callable[[object], Any]] = {
        "format": read_format,
        "quality": read_quality,
        "keep_colors": partial(read_yes_or_no, "keep_colors"),
        "longest_side": partial(_longest_side, min_side=min_side),
        "strength": read_strength,
        "bulk": partial(read_yes_or_no, "bulk"),
        "network_version": read_version,
    }
    check_names(parameters, readers)
    return Options(
        **{name: read(parameters[name]) for name, read in readers.items() if name in parameters}
    )


def check_sides(format_name: str, width: int, height: int) -> None:
    """Checks that a format holds a picture of this many pixels.

    Raises:
        OptionsError: It does not.
    """
    if max(width, height) > MAX_SIDE[format_name]:
        raise OptionsError(
            f"a picture of {width} x {height} pixels does not fit into format {format_name!r}, "
            f"whose sides are limited to {MAX_SIDE[format_name]}: use format 'png'"
        )


def _longest_side(value: object, *, min_side: int) -> int:
    text = str(value)
    if isinstance(value, bool) or not _WHOLE_NUMBER.fullmatch(text) or int(text) < min_side:
        raise OptionsError(
            f"longest_side {quote(value)} is not possible: use a whole number of pixels, "
            f"{min_side} or more, in at most 19 digits"
        )
    return int(text)
