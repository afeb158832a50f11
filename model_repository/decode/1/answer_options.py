"""How a request wants its answer encoded.

Read before the picture is decoded, though `encode` comes last: what cannot be answered as asked
must not cost the decoding and the network first.
"""

import re

MAX_SIDE = {"jpeg": 65_500, "png": 2**31 - 1, "webp": 16_383}
"""Formats that an answer can have, with the largest side in pixels that each one holds."""

DEFAULT_QUALITY = 0
"""Leaves the quality to the encoder, which has a default for each format."""

_QUALITY = re.compile(r"[1-9][0-9]?|100")


class OptionsError(ValueError):
    """The answer cannot be encoded as the request asks; the message says why and what to do."""


def read_options(parameters: dict[str, object]) -> tuple[str | None, int]:
    """Reads the format and the quality that a request asks for.

    Args:
        parameters: The request's own parameters. `format` is a key of MAX_SIDE; `quality` is a
            whole number from 1 to 100 or its decimal text. Other keys are not looked at.

    Returns:
        The format, or None for that of the picture; and the quality, or DEFAULT_QUALITY.

    Raises:
        OptionsError: A value is not among the allowed ones.
    """
    format_name = parameters.get("format")
    if "format" in parameters and format_name not in MAX_SIDE:
        raise OptionsError(f"format {_quote(format_name)} cannot be written: use {_formats()}")
    if "quality" not in parameters:
        return format_name, DEFAULT_QUALITY
    quality = parameters["quality"]
    if isinstance(quality, bool) or not _QUALITY.fullmatch(str(quality)):
        raise OptionsError(f"quality {_quote(quality)} is not possible: use 1 to 100")
    return format_name, int(str(quality))


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


def _quote(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _formats() -> str:
    *others, last = MAX_SIDE
    return f"{', '.join(others)} or {last}"
