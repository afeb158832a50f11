"""Encoded images to RGB pixels.

Way of the data: bytes -> container (declared size, checked against the limits; harmful
metadata left behind) -> Pillow -> upright -> RGB, 8 bits. Every complaint about the bytes is an
ImageError; anything else that is raised here is a fault of this code.
"""

import warnings
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from exif_orientation import read_orientation
from image_container import Container, ImageError, damaged, read_container
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

# Pillow's readers are called by class: nothing but these three can ever read a request's bytes,
# and their own words on what is wrong are kept.
_READERS = {"JPEG": JpegImageFile, "PNG": PngImageFile, "WebP": WebPImageFile}

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Limits:
    """What is refused before anything is decoded.

    Attributes:
        max_encoded_bytes: Largest length of the encoded image, in bytes.
        max_pixels: Largest width x height, in pixels.
        min_side: Smallest width and smallest height, in pixels.
    """

    max_encoded_bytes: int
    max_pixels: int
    min_side: int


def decode(data: bytes, limits: Limits) -> tuple[np.ndarray, str]:
    """Decodes a JPEG, PNG or WebP image.

    The EXIF orientation is applied. Transparent pixels are laid over white, the colour of paper.
    Samples of 16 bits keep their upper 8. Colour profiles are not applied.

    Args:
        data: The whole encoded image.
        limits: What to refuse.

    Returns:
        The pixels, UINT8 (H, W, 3) RGB, contiguous and perhaps read-only; and the format that
        they came in, "jpeg", "png" or "webp".

    Raises:
        ImageError: The image is empty, unknown, damaged, animated or outside the limits.
    """
    if len(data) > limits.max_encoded_bytes:
        raise ImageError(
            f"the image has {len(data)} bytes, more than the {limits.max_encoded_bytes} that are "
            "accepted: scale it down or compress it more"
        )
    container = read_container(data)
    _check(container, limits)
    image = _load(container)
    # Taken before turning, which drops it.
    colour_key = image.info.get("transparency")
    orientation = read_orientation(container.exif)
    if orientation in _UPRIGHT:
        image = image.transpose(_UPRIGHT[orientation])
    return _to_rgb(image, colour_key, container.depth), container.format.lower()


def _check(container: Container, limits: Limits) -> None:
    name = f"the {container.format} image"
    size = f"{name} has {container.width} x {container.height} pixels"
    if min(container.width, container.height) < limits.min_side:
        raise ImageError(f"{size}: each side needs at least {limits.min_side}; send a larger image")
    if container.width * container.height > limits.max_pixels:
        raise ImageError(
            f"{size}, more than the {limits.max_pixels} that are accepted: scale it down first"
        )
    if container.frames > 1:
        raise ImageError(
            f"{name} is animated ({container.frames} frames): send one frame as a still image"
        )


def _load(container: Container) -> Image.Image:
    """Lets Pillow decode, at the size that was checked and at no other."""
    declared = container.width, container.height
    try:
        with warnings.catch_warnings():
            # Pillow warns of what it overlooks; what it does not overlook it raises.
            warnings.simplefilter("ignore")
            image = _READERS[container.format](BytesIO(container.picture))
            if image.size == declared:
                image.load()
    except Exception as error:
        # Malformed bytes make Pillow raise almost anything: OSError, SyntaxError, ValueError,
        # struct.error, zlib.error, EOFError, OverflowError, MemoryError among others.
        raise damaged(container.format, str(error) or type(error).__name__) from error
    if image.size != declared:
        raise damaged(container.format, "it declares two different sizes")
    return image


def _to_rgb(
    image: Image.Image, colour_key: int | tuple[int, ...] | bytes | None, depth: int
) -> np.ndarray:
    if image.mode in ("LA", "RGBA", "PA") or (image.mode == "P" and colour_key is not None):
        image = image.convert("RGBA")
        paper = Image.new("RGB", image.size, "white")
        paper.paste(image, mask=image)
        return np.asarray(paper)
    if image.mode in ("I;16", "I"):
        # Pillow's own conversion to 8 bits would clip at 255.
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    pixels = np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
    return pixels if colour_key is None else _whiten(pixels, colour_key, depth)


def _whiten(
    pixels: np.ndarray, colour_key: int | tuple[int, ...] | bytes, depth: int
) -> np.ndarray:
    """Lays a PNG's transparent colour (tRNS, given in the depth of the file) over white."""
    key = np.atleast_1d(colour_key)
    key = key >> 8 if depth == 16 else key * 255 // (2**depth - 1)
    return np.where((pixels == key).all(axis=-1, keepdims=True), np.uint8(255), pixels)
