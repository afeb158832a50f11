"""Images from a folder or a tar archive, paintings from a folder; resizing, crops, tensors."""

import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

Pixels = NDArray[np.uint8]
"""An image (H, W, 3), RGB."""

_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


@dataclass(frozen=True)
class EncodedImage:
    """One encoded image: a file, or a byte range of a tar archive."""

    name: str
    file: Path
    offset: int
    size: int

    def read(self) -> Image.Image:
        """Decodes the image, see `read_upright`, whose errors it raises."""
        with self.file.open("rb") as file:
            file.seek(self.offset)
            content = file.read(self.size)
        return read_upright(content, f"{self.file}: {self.name}")


def read_upright(source: Path | bytes, name: str | None = None) -> Image.Image:
    """Decodes an image as RGB, upright by its EXIF orientation, with transparency over white.

    Args:
        source: A file, or its content.
        name: The name in messages; by default the file's path.

    Raises:
        OSError: The file cannot be read or decoded.
        ValueError: It has more pixels than Pillow's limit.
    """
    name = name or str(source)
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            upright = ImageOps.exif_transpose(image)
            if upright.has_transparency_data:
                upright = upright.convert("RGBA")
                background = Image.new("RGBA", upright.size, "white")
                upright = Image.alpha_composite(background, upright)
            return upright.convert("RGB")
    except Image.DecompressionBombError as error:
        raise ValueError(f"{name} is too large: {error}") from error
    except (OSError, SyntaxError, ValueError) as error:  # a broken PNG raises any of these
        raise OSError(f"{name} cannot be read as an image: {error}") from error


def find_images(source: Path) -> list[EncodedImage]:
    """Lists the images of a folder (recursively) or of an uncompressed tar archive, by name.

    Raises:
        FileNotFoundError: `source` does not exist.
        ValueError: It holds no image, or is neither a folder nor a tar archive.
    """
    if not source.exists():
        raise FileNotFoundError(f"{source} does not exist")
    if source.is_dir():
        images = [
            EncodedImage(str(path.relative_to(source)), path, 0, path.stat().st_size)
            for path in source.rglob("*")
            if path.suffix.lower() in _SUFFIXES and path.is_file()
        ]
    else:
        try:
            with tarfile.open(source, "r:") as archive:
                images = [
                    EncodedImage(member.name, source, member.offset_data, member.size)
                    for member in archive
                    if member.isfile() and member.name.lower().endswith(_SUFFIXES)
                ]
        except tarfile.TarError as error:
            raise ValueError(
                f"{source} is neither a folder nor an uncompressed tar: {error}"
            ) from error
    if not images:
        raise ValueError(f"{source} holds no image ({', '.join(_SUFFIXES)})")
    return sorted(images, key=lambda image: image.name)


def find_paintings(folder: Path, styles: Sequence[str] = ()) -> dict[str, Path]:
    """The paintings of a folder by style name: the file's name without suffix.

    Args:
        folder: Searched recursively.
        styles: The styles to return, in this order; by default all, sorted by name.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: A style has no painting, or two.
    """
    files: dict[str, Path] = {}
    for image in find_images(folder):
        name = image.file.stem
        if name.startswith("._"):
            continue  # macOS's notes on the file beside it.
        if name in files:
            raise ValueError(
                f"{files[name]} and {image.file} are both called {name}; rename or remove one"
            )
        files[name] = image.file
    if unknown := [style for style in styles if style not in files]:
        raise ValueError(f"{folder} has no {', '.join(unknown)}; it has {', '.join(files)}")
    return {style: files[style] for style in styles or files}


def to_tensor(image: Image.Image) -> Tensor:
    """An RGB image as (3, H, W) float32 in 0..1."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255


def resize_short_side(image: Image.Image, side: int) -> Image.Image:
    """Resizes with the aspect ratio kept (Lanczos), so that the shorter side is `side` pixels."""
    scale = side / min(image.size)
    width, height = (max(side, round(length * scale)) for length in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def center_crop(image: Image.Image, side: int) -> Image.Image:
    """The middle `side`×`side` pixels, after a resize that makes the shorter side fit."""
    image = resize_short_side(image, side)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def inner(images: Tensor, margin: int) -> Tensor:
    """Images (…, H, W) without their outermost `margin` pixels."""
    height, width = images.shape[-2:]
    return images[..., margin : height - margin, margin : width - margin]


def to_image(tensor: Tensor) -> Image.Image:
    """(3, H, W) in 0..1 as an RGB image, rounded to the nearest level."""
    return Image.fromarray(to_levels(tensor).permute(1, 2, 0).cpu().numpy())


def to_levels(images: Tensor) -> Tensor:
    """Values in 0..1 as levels of 255, (…) uint8: rounded to the nearest, the others cut off."""
    return (images.clamp(0, 1) * 255).round().to(torch.uint8)


def to_images(images: Tensor, least_side: int) -> list[Image.Image]:
    """RGB images, large enough for the eye.

    Args:
        images: (B, C, N, N) in 0..1, with three colours or grey.
        least_side: Smaller images are enlarged by a whole number, to this side at most.
    """
    factor = max(1, least_side // images.shape[-1])
    large = images.repeat_interleave(factor, dim=2).repeat_interleave(factor, dim=3)
    return [to_image(each.expand(3, -1, -1)) for each in large]
