"""Images on their way to the server and back.

Encoded images that the server reads (JPEG, PNG, WebP) travel as they are. Everything else that
Pillow reads (BMP, TIFF, GIF, AVIF and more; HEIC with `pillow-heif`) is encoded here without loss.
Lossless WebP in its quickest setting needs about half the time of PNG level 1 and four fifths of
the bytes; PNG takes what WebP cannot hold.
"""

import inspect
import io
import os
import struct
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from atelier._errors import InvalidRequest, ServerFailed
from atelier._foreign_files import foreign_image


class BinaryFile(Protocol):
    """Anything whose `read()` returns bytes."""

    def read(self, /) -> bytes:
        """Returns what is left of the file."""


ImageFormat: TypeAlias = Literal["jpeg", "png", "webp"]
ImageSource: TypeAlias = (
    str
    | os.PathLike[str]
    | bytes
    | bytearray
    | memoryview
    | BinaryFile
    | Image.Image
    | npt.NDArray[np.uint8]
)
"""A path, an encoded image (bytes or a binary file), a PIL image, or uint8 pixels (H, W[, C])."""

LOSSLESS: Final[ImageFormat] = "png"
"""The format in which the server's pixels come back as they are."""

_WEBP_LONGEST_SIDE: Final = 16383
_WEBP_MODES: Final = frozenset({"RGB", "RGBA"})
_PROFILE_COLORS: Final = slice(16, 20)
"""Where an ICC profile names the colour space that it is for."""
_PNG_MODES: Final = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})


class EncodedImage(NamedTuple):
    """An image as it travels to the server.

    Attributes:
        data: A JPEG, PNG or WebP file.
        reply: The format to ask for where the caller names none; None means that of `data`.
    """

    data: bytes
    reply: ImageFormat | None


def encoded_image(source: ImageSource) -> EncodedImage:
    """The image as the server reads it.

    Raises:
        InvalidRequest: The image is empty, of an unknown format, or its pixels are not uint8.
        TypeError: `source` is none of the kinds that `ImageSource` lists.
        OSError: The file cannot be read.
    """
    if isinstance(source, Image.Image):
        return EncodedImage(_without_loss(source), LOSSLESS)
    if isinstance(source, np.ndarray):
        return EncodedImage(_without_loss(_from_array(source, "image")), LOSSLESS)
    data = _read(source, "image")
    if served_format(data):
        return EncodedImage(data, None)
    return EncodedImage(_without_loss(_from_file(data, _name_of(source, "image"))), LOSSLESS)


def rgb_image(source: ImageSource, name: str = "image") -> Image.Image:
    """The image decoded here: upright, over white where it is transparent, in mode RGB.

    Of its `info`, a colour profile for RGB is kept.

    Args:
        source: The image.
        name: What the errors call it where it is no file with a name of its own.

    Raises:
        InvalidRequest: As in `encoded_image`; or Pillow cannot decode it, or it is an animation.
        TypeError: As in `encoded_image`.
        OSError: As in `encoded_image`.
    """
    if isinstance(source, Image.Image):
        image = source
    elif isinstance(source, np.ndarray):
        image = _from_array(source, name)
    else:
        image = _from_file(_read(source, name), _name_of(source, name))
    _check_pixels(image, name)
    upright = _upright(image)
    profile = image.info.get("icc_profile")
    if upright.mode.startswith("I;16"):
        # Pillow's way to RGB would clip it at 255.
        values = np.asarray(upright.convert("I"))
        # What is transparent is found first: 256 values become one.
        clear = values == upright.info.get("transparency", -1)
        upright = Image.fromarray(np.where(clear, 255, (values + 128) // 257).astype(np.uint8))
    if upright.has_transparency_data:
        straight = upright.convert("LA") if upright.mode == "La" else upright
        paper = Image.new("RGBA", upright.size, "white")
        upright = Image.alpha_composite(paper, straight.convert("RGBA"))
    rgb = upright.convert("RGB")
    is_for_rgb = profile and profile[_PROFILE_COLORS] == b"RGB "
    rgb.info = {"icc_profile": profile} if is_for_rgb else {}
    return rgb


def decoded_image(data: bytes) -> Image.Image:
    """The server's image, wholly in memory, in mode RGB."""
    try:
        image = Image.open(io.BytesIO(data))
        image.load()
    except (OSError, SyntaxError) as error:
        raise ServerFailed(f"the server's answer is not an image: {error}") from error
    return image


def served_format(data: bytes) -> ImageFormat | None:
    """Which of the formats that the server reads `data` begins like, or None."""
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    return None


def _read(
    source: str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryFile, name: str
) -> bytes:
    if isinstance(source, str | os.PathLike):
        return Path(source).read_bytes()
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if not callable(getattr(source, "read", None)):
        raise TypeError(
            f"{name} is a {type(source).__name__}; give a path, bytes, a binary file, "
            "a PIL image or a uint8 array"
        )
    data: Any = source.read()
    if inspect.isawaitable(data):
        if inspect.iscoroutine(data):
            data.close()  # Else Python warns that nobody awaited it.
        raise TypeError(
            f"{name}: read() of {type(source).__name__} is a coroutine; await it first, and give "
            "the bytes: await file.read()"
        )
    if not isinstance(data, bytes):
        raise TypeError(f"{name}: the file is open as text; open it with mode 'rb'")
    return data


def _name_of(source: object, name: str) -> str:
    """The path of a file, opened or not; `name` for all other sources."""
    path = source if isinstance(source, str | os.PathLike) else getattr(source, "name", None)
    return os.fspath(path) if isinstance(path, str | os.PathLike) else name


def _from_array(pixels: npt.NDArray[Any], name: str) -> Image.Image:
    if pixels.dtype != np.uint8:
        raise InvalidRequest(
            f"{name}: the array is {pixels.dtype}; give uint8, 0 to 255. From floats between 0 and "
            "1: (image * 255).round().astype(numpy.uint8)"
        )
    channels = pixels.shape[2] if pixels.ndim == 3 else 0
    if pixels.ndim not in (2, 3) or channels not in (0, 3, 4) or pixels.size == 0:
        raise InvalidRequest(
            f"{name}: the array has shape {pixels.shape}; give (H, W, 3), (H, W, 4) or (H, W)"
        )
    return Image.fromarray(pixels)


def _from_file(data: bytes, name: str) -> Image.Image:
    if not data:
        raise InvalidRequest(f"{name}: there are no bytes in it")
    try:
        image = Image.open(io.BytesIO(data))
        frames = getattr(image, "n_frames", 1)
        image.load()
    except UnidentifiedImageError as error:
        try:
            return foreign_image(data, name)
        except InvalidRequest as refusal:
            raise refusal from error
    except Exception as error:
        # Malformed bytes make Pillow raise almost anything: OSError, SyntaxError, ValueError,
        # TypeError, DecompressionBombError among others.
        reason = str(error) or type(error).__name__
        raise InvalidRequest(f"{name}: cannot be read: {reason}") from error
    # A camera puts small copies behind a JPEG, which makes it an MPO.
    if frames > 1 and image.format != "MPO":
        raise InvalidRequest(f"{name}: a {image.format} of several frames; give one of them")
    return image


def _check_pixels(image: Image.Image, name: str) -> None:
    if image.width == 0 or image.height == 0:
        raise InvalidRequest(f"{name}: {image.width}×{image.height} pixels; there is nothing in it")
    if image.mode in ("F", "I"):
        raise InvalidRequest(
            f"{name}: mode {image.mode} has no fixed range; convert it to RGB, L or I;16 first"
        )


def _upright(image: Image.Image) -> Image.Image:
    """The image as it is meant to be seen; as it lies where a broken note says how."""
    try:
        return ImageOps.exif_transpose(image)
    except (SyntaxError, ValueError, struct.error):
        return image


def _without_loss(image: Image.Image) -> bytes:
    _check_pixels(image, "image")
    # A photograph opened with PIL lies as the camera held it; a file sent as it is gets turned.
    upright = _upright(image)
    if upright.mode == "La":
        upright = upright.convert("LA")
    elif upright.mode.startswith("I;16") and upright.mode != "I;16":
        # In a byte order of its own. Pillow's way to L or RGB would clip it at 255.
        upright = Image.fromarray(np.asarray(upright.convert("I")).astype(np.uint16))
    elif upright.mode not in _PNG_MODES or (
        # Lossless WebP has no word for a transparent colour.
        upright.mode == "RGB" and upright.has_transparency_data
    ):
        upright = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    # Whether it fits the pixels is the server's to see.
    profile = image.info.get("icc_profile")
    buffer = io.BytesIO()
    if upright.mode in _WEBP_MODES and max(upright.size) <= _WEBP_LONGEST_SIDE:
        options: dict[str, Any] = {"lossless": True, "quality": 0, "method": 0, "exact": True}
        upright.save(buffer, "WEBP", icc_profile=profile, **options)
    else:
        upright.save(buffer, "PNG", icc_profile=profile, compress_level=1)
    return buffer.getvalue()
