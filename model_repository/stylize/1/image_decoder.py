"""Encoded images to RGB pixels.

Way of the data: bytes -> container (declared size, checked against the limits; harmful
metadata left behind) -> Pillow -> RGB, 8 bits -> no larger than wanted -> upright. Every complaint
about the bytes is an ImageError; anything else that is raised here is a fault of this code.
"""

import warnings
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import numpy.typing as npt
from colour_profile import checked
from exif_orientation import read_orientation
from image_container import Container, ImageError, damaged, read_container
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile
from working_size import working_size

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
_ON_ITS_SIDE = frozenset({5, 6, 7, 8})

# A scan goes over all pixels again, and an empty one takes twenty bytes. Real files have some ten.
MAX_JPEG_SCANS = 512
MAX_JPEG_SCANNED_PIXELS = 1 << 30

# The modes whose numbers a profile for RGB speaks of; a palette holds RGB.
_RGB_MODES = frozenset({"RGB", "RGBA", "P"})


@dataclass(frozen=True)
class Limits:
    """What is refused before anything is decoded, and what is scaled down.

    Attributes:
        max_encoded_bytes: Largest length of the encoded image, in bytes.
        max_decoded_pixels: Largest width x height that is decoded at all, in pixels.
        max_pixels: Largest width x height that the network takes; a larger picture is scaled down.
        min_side: Smallest width and smallest height, in pixels.
    """

    max_encoded_bytes: int
    max_decoded_pixels: int
    max_pixels: int
    min_side: int


@dataclass(frozen=True)
class Photograph:
    """A decoded image.

    Attributes:
        pixels: UINT8 (h, w, 3) RGB, contiguous and perhaps read-only: what the network paints.
        original: UINT8 (H, W, 3) RGB at full size where that was asked for, else (0, 0, 3).
        height: H, of the image as it is meant to be seen.
        width: W, the same.
        format: What it came in: "jpeg", "png" or "webp".
        profile: The colour profile (ICC), checked and for RGB, or nothing.
    """

    pixels: npt.NDArray[np.uint8]
    original: npt.NDArray[np.uint8]
    height: int
    width: int
    format: str
    profile: bytes


def decode(
    data: bytes, limits: Limits, *, longest_side: int | None = None, keep_original: bool = False
) -> Photograph:
    """Decodes a JPEG, PNG or WebP image.

    The orientation in the metadata is applied. Transparent pixels are laid over white, the colour
    of paper. Samples of 16 bits keep their upper 8. Colour profiles are not applied.

    Args:
        data: The whole encoded image.
        limits: What to refuse, and what to scale down.
        longest_side: What the longer side of `pixels` shall have at most; None: as it comes.
        keep_original: Whether to give the pixels at full size too.

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
    orientation = read_orientation(container.exif, container.xmp)
    stored = container.width, container.height
    size = working_size(*stored, longest_side, limits.max_pixels, limits.min_side)
    image, part = _load(container, stored if keep_original else size)
    profile = checked(container.profile) if image.mode in _RGB_MODES else b""
    image = _to_rgb(image, container)
    # Scaled before it is turned: fewer pixels to turn. The gap lets plain averaging come first,
    # where the eye cannot tell, in half the time.
    small = image
    if image.size != size:
        small = image.resize(size, Image.Resampling.LANCZOS, part, reducing_gap=3.0)
    pixels = np.asarray(_upright(small, orientation))
    original = np.empty((0, 0, 3), np.uint8)
    if keep_original:
        original = pixels if image.size == size else np.asarray(_upright(image, orientation))
    width, height = reversed(stored) if orientation in _ON_ITS_SIDE else stored
    return Photograph(pixels, original, height, width, container.format.lower(), profile)


def _check(container: Container, limits: Limits) -> None:
    name = f"the {container.format} image"
    size = f"{name} has {container.width} x {container.height} pixels"
    pixels = container.width * container.height
    if min(container.width, container.height) < limits.min_side:
        raise ImageError(f"{size}: each side needs at least {limits.min_side}; send a larger image")
    if pixels > limits.max_decoded_pixels:
        raise ImageError(
            f"{size}, more than the {limits.max_decoded_pixels} that are accepted: "
            "scale it down first"
        )
    if container.frames > 1:
        raise ImageError(
            f"{name} is animated ({container.frames} frames): send one frame as a still image"
        )
    scans = min(MAX_JPEG_SCANS, MAX_JPEG_SCANNED_PIXELS // pixels)
    if container.scans > scans:
        raise ImageError(
            f"{size} and {container.scans} scans, more than the {scans} that are accepted at this "
            "size: save it again as a baseline JPEG"
        )


def _load(
    container: Container, wanted: tuple[int, int]
) -> tuple[Image.Image, tuple[float, float, float, float]]:
    """Lets Pillow decode, at the size that was checked and at no other.

    A JPEG comes at a half, a quarter or an eighth of it where that is still as large as `wanted`:
    in a fraction of the time, and as good as scaled down afterwards.

    Returns:
        The image, and the part of it that is picture: at a half, 5 pixels make 2.5 of 3.
    """
    declared = container.width, container.height
    part: tuple[float, float, float, float] = (0, 0, *declared)
    try:
        with warnings.catch_warnings():
            # Pillow warns of what it overlooks; what it does not overlook it raises.
            warnings.simplefilter("ignore")
            image = _READERS[container.format](BytesIO(container.picture))
            if image.size == declared:
                _, part = image.draft(image.mode, wanted) or (image.mode, part)
                declared = image.size
                image.load()
    except Exception as error:
        # Malformed bytes make Pillow raise almost anything: OSError, SyntaxError, ValueError,
        # struct.error, zlib.error, EOFError, OverflowError, MemoryError among others.
        raise damaged(container.format, str(error) or type(error).__name__) from error
    if image.size != declared:
        raise damaged(container.format, "it declares two different sizes")
    return image, part


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def _to_rgb(image: Image.Image, container: Container) -> Image.Image:
    colour_key = image.info.get("transparency")
    if image.mode in ("LA", "RGBA", "PA") or (image.mode == "P" and colour_key is not None):
        image = image.convert("RGBA")
        paper = Image.new("RGB", image.size, "white")
        paper.paste(image, mask=image)
        return paper
    # Found before samples of 16 bits are narrowed: 256 of their values become one of 8 bits.
    clear = None if colour_key is None else _is_clear(image, colour_key, container)
    if image.mode in ("I;16", "I"):
        # Pillow's own conversion to 8 bits would clip at 255.
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode != "RGB":
        image = image.convert("RGB")
    if clear is not None:
        image.paste("white", mask=Image.fromarray(clear))
    return image


def _is_clear(
    image: Image.Image, colour_key: int | tuple[int, ...] | bytes, container: Container
) -> npt.NDArray[np.bool_]:
    """Where a PNG has its transparent colour (tRNS, given in the depth of the file): (h, w)."""
    key = np.atleast_1d(colour_key)
    depth = container.depth
    if image.mode in ("I;16", "I"):
        return np.asarray(np.asarray(image) == key)
    if depth < 16:
        key = key * 255 // (2**depth - 1)
        return np.asarray((np.asarray(image.convert("RGB")) == key).all(axis=-1))
    clear = (np.asarray(image) == key >> 8) & (_lower_bytes(container.picture) == key & 0xFF)
    return np.asarray(clear.all(axis=-1))


def _lower_bytes(picture: bytes) -> npt.NDArray[np.uint8]:
    """The lower bytes (h, w, 3) of an RGB PNG of 16 bits, of which Pillow keeps the upper."""
    image = PngImageFile(BytesIO(picture))
    # In a file whose samples were stored the other way round, these would be the upper ones.
    image.tile = [tile._replace(args="RGB;16L") for tile in image.tile]
    return np.asarray(image)
