"""RGB pixels to encoded images."""

import zlib
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image

WEBP_QUICK_PIXELS = 8_000_000
"""Below this many pixels WebP is written by its quickest method, 0. The headers of all its blocks
must fit into 512 KiB, which methods 0 and 1 take no care of: noise of 18 million pixels fails
(libwebp's error 6), and so does a photograph of 36 million. Method 2 writes both."""


QUALITIES = range(1, 101)
"""Of JPEG and WebP."""


class EncodeError(ValueError):
    """The picture cannot be encoded as asked; the message says why."""


@dataclass(frozen=True)
class Defaults:
    """Settings of the formats where the request gives none.

    Attributes:
        jpeg_quality: 1 to 100.
        webp_quality: 1 to 100.
    """

    jpeg_quality: int
    webp_quality: int


def encode(
    pixels: npt.NDArray[np.uint8],
    format_name: str,
    quality: int,
    defaults: Defaults,
    profile: bytes = b"",
) -> bytes:
    """Encodes one picture.

    Args:
        pixels: UINT8 (H, W, 3) RGB, contiguous.
        format_name: "jpeg", "png" or "webp".
        quality: 1 to 100, or 0 for the default. PNG loses nothing, so it has no meaning there.
        defaults: The quality where the request gives none.
        profile: The colour profile (ICC), or nothing.

    Raises:
        EncodeError: An unknown format, a quality out of range, or a picture that the format cannot
            hold. The models see to it before they call a network.
    """
    if not 0 <= quality <= 100:
        raise EncodeError(f"quality {quality} is not from 1 to 100, nor 0 for the default")
    match format_name:
        case "jpeg":
            # Brush strokes are sharp edges between saturated colours, just what halving the
            # resolution of colour (4:2:0) blurs; keeping it costs a third more bytes.
            options = {"quality": quality or defaults.jpeg_quality, "subsampling": 0}
        case "png":
            # Strokes repeat nothing but runs of one value: looking for these alone takes a third
            # less time than level 1 by itself, and no more bytes.
            options = {"compress_level": 1, "compress_type": zlib.Z_RLE}
        case "webp":
            # Method 0 takes a third of the default's time and 8 % more bytes.
            method = 0 if pixels.shape[0] * pixels.shape[1] < WEBP_QUICK_PIXELS else 2
            options = {"quality": quality or defaults.webp_quality, "method": method}
        case _:
            raise EncodeError(f"format {format_name!r:.60} cannot be written")
    image, encoded = Image.fromarray(pixels), BytesIO()
    try:
        image.save(encoded, format_name, icc_profile=profile or None, **options)
    except (OSError, ValueError) as error:
        raise EncodeError(
            f"a picture of {image.width} x {image.height} pixels cannot be written as "
            f"{format_name} ({error})"
        ) from error
    return encoded.getvalue()
