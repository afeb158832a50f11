"""Images read from files, and written to files whose suffix chooses the format."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
from PIL import Image

from atelier._atomic_write import write_whole
from atelier._cli.paths import check_image, check_is_none_of, check_kept, check_parent
from atelier._images import rgb_image

STILL: Final = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
MOVING: Final = {".gif": "GIF", ".webp": "WEBP", ".png": "PNG"}
"""A PNG has all frames in one row."""

_QUALITY: Final = 95
"""Of JPEG and WebP, as the server's."""
_FRAME_MILLISECONDS: Final = 80


def output_of(
    output: Path | None,
    default: str,
    images: Sequence[Path],
    formats: Mapping[str, str],
    *,
    overwrite: bool,
) -> Path:
    """Where to write what is made of `images` together; without `output`, `default`.

    Raises:
        click.ClickException: An image is not there, or `output` cannot be written.
    """
    for image in images:
        check_image(image)
    chosen = Path(default) if output is None else output
    check_suffix(chosen, formats)
    check_is_none_of(images, chosen)
    check_parent(chosen)
    check_kept(chosen, overwrite=overwrite)
    return chosen


def check_suffix(output: Path | None, formats: Mapping[str, str]) -> None:
    """Raises UsageError where the suffix names none of the formats."""
    if output is not None and output.suffix.lower() not in formats:
        *others, last = formats
        raise click.UsageError(
            f"{output}: there is no format {output.suffix!r}; use {', '.join(others)} or {last}"
        )


def read_image(path: Path) -> Image.Image:
    """The image in a file, upright and in mode RGB."""
    return rgb_image(path.read_bytes(), str(path))


def write_image(output: Path, image: Image.Image) -> None:
    """Writes an image, and prints where."""
    _write(output, image, STILL[output.suffix.lower()])


def write_separately(folder: Path, stem: str, images: Sequence[Image.Image]) -> None:
    """Writes each image as a PNG whose name ends in its number, and prints where."""
    folder.mkdir(exist_ok=True)
    digits = max(2, len(str(len(images) - 1)))
    for number, image in enumerate(images):
        write_image(folder / f"{stem}-{number:0{digits}}.png", image)


def write_frames(output: Path, frames: Sequence[Image.Image]) -> None:
    """Writes an animation that repeats for ever, or all frames in one row as PNG."""
    encoding = MOVING[output.suffix.lower()]
    if encoding == "PNG":
        _write(output, row_of(frames), encoding)
        return
    first, *others = frames
    _write(
        output,
        first,
        encoding,
        save_all=True,
        append_images=others,
        duration=_FRAME_MILLISECONDS,
        loop=0,
    )


def row_of(images: Sequence[Image.Image]) -> Image.Image:
    """Images of one size side by side."""
    width, height = images[0].size
    row = Image.new("RGB", (width * len(images), height))
    for place, image in enumerate(images):
        row.paste(image, (width * place, 0))
    return row


def say_fitted(path: Path, image: Image.Image, square: Image.Image) -> None:
    """Says on standard error that an image was fitted to the square of the network."""
    if image.size != square.size:
        sizes = [f"{each.width}×{each.height}" for each in (image, square)]
        name = click.format_filename(path)
        click.echo(f"{name}, {sizes[0]}, is fitted to {sizes[1]}", err=True)


def _write(output: Path, image: Image.Image, encoding: str, **options: Any) -> None:
    buffer = io.BytesIO()
    profile = image.info.get("icc_profile")
    try:
        image.save(buffer, encoding, quality=_QUALITY, icc_profile=profile, **options)
    except (OSError, ValueError) as error:  # Larger than the format allows.
        raise click.ClickException(
            f"{image.width}×{image.height} pixels cannot be written as {encoding}: {error}"
        ) from error
    write_whole(output, buffer.getvalue())
    click.echo(output)
