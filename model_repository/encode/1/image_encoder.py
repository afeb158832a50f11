"""RGB pixels to encoded images."""

import re
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image

MAX_SIDE = {"jpeg": 65_500, "png": 2**31 - 1, "webp": 16_383}
"""Formats that can be written, with the largest side in pixels that each one holds."""


class OptionsError(ValueError):
    """What the request asks of the encoder cannot be done; the message says why."""


_QUALITY = re.compile(r"[1-9][0-9]?|100")


@dataclass(frozen=True)
class Defaults:
    """Settings of the formats where the request gives none.

    Attributes:
        jpeg_quality: 1 to 100.
        webp_quality: 1 to 100.
        png_compress_level: 0 (none) to 9 (smallest and slowest), zlib's scale.
    """

    jpeg_quality: int
    webp_quality: int
    png_compress_level: int


def choose_options(parameters: dict[str, object], source_format: str) -> tuple[str, int | None]:
    """Reads the format and the quality that a request asks for.

    Args:
        parameters: The request's own parameters. `format` is "jpeg", "png" or "webp"; `quality`
            is a whole number from 1 to 100 or its decimal text. Other keys are not looked at.
        source_format: The format where the request names none.

    Returns:
        The format, and the quality or None for the default.

    Raises:
        OptionsError: A value is not among the allowed ones.
    """
    format_name = parameters.get("format", source_format)
    if format_name not in MAX_SIDE:
        raise OptionsError(f"format {_quote(format_name)} cannot be written: use {_formats()}")
    quality = parameters.get("quality")
    if quality is None:
        return format_name, None
    if isinstance(quality, bool) or not _QUALITY.fullmatch(str(quality)):
        raise OptionsError(f"quality {_quote(quality)} is not possible: use 1 to 100")
    return format_name, int(str(quality))


def encode(pixels: np.ndarray, format_name: str, quality: int | None, defaults: Defaults) -> bytes:
    """Encodes one picture.

    Args:
        pixels: UINT8 (H, W, 3) RGB.
        format_name: A key of MAX_SIDE.
        quality: 1 to 100, or None for the default. PNG loses nothing, so it has no meaning there.
        defaults: Settings that the request cannot change, and the quality where it gives none.

    Raises:
        OptionsError: The format cannot hold a picture of this size.
    """
    height, width = pixels.shape[:2]
    if max(height, width) > MAX_SIDE[format_name]:
        raise OptionsError(
            f"a picture of {width} x {height} pixels does not fit into format {format_name!r}, "
            f"whose sides are limited to {MAX_SIDE[format_name]}: use format 'png'"
        )
    image, encoded = Image.fromarray(pixels), BytesIO()
    match format_name:
        case "jpeg":
            # Brush strokes are sharp edges between saturated colours, just what halving the
            # resolution of colour (4:2:0) blurs; keeping it costs a third more bytes.
            image.save(encoded, "JPEG", quality=quality or defaults.jpeg_quality, subsampling=0)
        case "png":
            image.save(encoded, "PNG", compress_level=defaults.png_compress_level)
        case "webp":
            # Method 0 takes a third of the default's time and 8 % more bytes.
            image.save(encoded, "WEBP", quality=quality or defaults.webp_quality, method=0)
    return encoded.getvalue()


def _quote(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _formats() -> str:
    *others, last = MAX_SIDE
    return f"{', '.join(others)} or {last}"
