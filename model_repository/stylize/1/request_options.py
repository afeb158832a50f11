"""What a request asks for beside the picture and the style.

Read before the picture is decoded: what cannot be done as asked must not cost the decoding first.
Whether the picture fits into the format is seen behind the decoding, and before the network. What
the protocol itself knows (`timeout`, `priority`, `sequence_id`, over HTTP `binary_data_output`)
Triton takes out of the parameters before.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import Any

from strength import read_strength

MAX_SIDE = {"jpeg": 65_500, "png": 2**31 - 1, "webp": 16_383}
"""Formats that an answer can have, with the largest side in pixels that each one holds."""

DEFAULT_QUALITY = 0
"""Leaves the quality to the encoder, which has a default for each format."""

_VERSION = re.compile(r"[1-9][0-9]{0,17}")
_QUALITY = re.compile(r"[1-9][0-9]?|100")
_WHOLE_NUMBER = re.compile(r"[0-9]{1,19}")
_YES_OR_NO = {"true": True, "1": True, "false": False, "0": False}


class OptionsError(ValueError):
    """The request cannot be answered as it asks; the message says why and what to do."""


@dataclass(frozen=True)
class Options:
    """A request's options.

    Attributes:
        format: A key of MAX_SIDE, or None for the format of the picture.
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
        "format": _format,
        "quality": _quality,
        "keep_colors": partial(_yes_or_no, "keep_colors"),
        "longest_side": partial(_longest_side, min_side=min_side),
        "strength": read_strength,
        "bulk": partial(_yes_or_no, "bulk"),
        "network_version": read_version,
    }
    for name in parameters:
        if name not in readers:
            near = get_close_matches(name.lower().replace("-", "_"), readers, n=1)
            hint = f"did you mean {near[0]}" if near else "leave it out"
            raise OptionsError(
                f"{_quote(name)} is not an option of this model: {hint}; its options are "
                f"{', '.join(readers)}"
            )
    return Options(
        **{name: read(parameters[name]) for name, read in readers.items() if name in parameters}
    )


def check_sides(format_name: str, width: int, height: int) -> None:
    """Checks that a format, a key of MAX_SIDE, holds a picture of this many pixels.

    Raises:
        OptionsError: It does not.
    """
    if max(width, height) > MAX_SIDE[format_name]:
        raise OptionsError(
            f"a picture of {width} x {height} pixels does not fit into format {format_name!r}, "
            f"whose sides are limited to {MAX_SIDE[format_name]}: use format 'png'"
        )


def read_version(value: object) -> int:
    """The number of a version, from 1."""
    if isinstance(value, bool) or not _VERSION.fullmatch(str(value)):
        raise OptionsError(
            f"network_version {_quote(value)} is not possible: use the number of a version that "
            "is served, from 1"
        )
    return int(str(value))


def _format(value: object) -> str:
    if not isinstance(value, str) or value not in MAX_SIDE:
        raise OptionsError(f"format {_quote(value)} cannot be written: use {_formats()}")
    return value


def _quality(value: object) -> int:
    if isinstance(value, bool) or not _QUALITY.fullmatch(str(value)):
        raise OptionsError(
            f"quality {_quote(value)} is not possible: use a whole number from 1 to 100"
        )
    return int(str(value))


def _yes_or_no(name: str, value: object) -> bool:
    # Folded, since languages write their own True and TRUE.
    answer = _YES_OR_NO.get(str(value).lower())
    if answer is None:
        raise OptionsError(f"{name} {_quote(value)} is not possible: use true or false")
    return answer


def _longest_side(value: object, *, min_side: int) -> int:
    text = str(value)
    if isinstance(value, bool) or not _WHOLE_NUMBER.fullmatch(text) or int(text) < min_side:
        raise OptionsError(
            f"longest_side {_quote(value)} is not possible: use a whole number of pixels, "
            f"{min_side} or more, in at most 19 digits"
        )
    return int(text)


def _quote(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _formats() -> str:
    *others, last = MAX_SIDE
    return f"{', '.join(others)} or {last}"
