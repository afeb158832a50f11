"""`atelier stylize`."""

import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from atelier._atomic_write import write_whole
from atelier._cli.command import Command
from atelier._cli.each_image import Destination, EachImage
from atelier._cli.options import (
    RETRIES,
    destination_options,
    images_argument,
    server_options,
    style_option,
)
from atelier._cli.paths import STREAM
from atelier._client import Client
from atelier._exif import exif_of, with_exif
from atelier._images import LOSSLESS, ImageFormat, served_format

_FORMATS: dict[str, ImageFormat] = {
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".png": "png",
    ".webp": "webp",
}
_SUFFIXES: dict[ImageFormat, str] = {"jpeg": ".jpg", "png": ".png", "webp": ".webp"}
_SIGNATURE = 12
"""Bytes that tell the formats apart."""


@click.command(cls=Command)
@images_argument("PHOTO", allow_dash=True)
@style_option
@click.option(
    "--strength",
    type=click.FloatRange(0, 2),
    default=1.0,
    metavar="NUMBER",
    show_default=True,
    help="How far to go: 0 is the photograph, 1 the style, 2 as far again beyond it.",
)
@click.option(
    "--keep-colors",
    is_flag=True,
    help="Keep the photograph's colours; take only the style's strokes.",
)
@click.option(
    "--longest-side",
    type=click.IntRange(min=16),
    metavar="PIXELS",
    help="Paint at this size; the painting comes back in the photograph's own. Smaller makes "
    "larger strokes, and is quicker. Without it: the photograph's own size, as far as the server "
    "goes.",
)
@destination_options(
    "The file to write; its suffix chooses the format.",
    "PHOTO's name and the style's",
    allow_dash=True,
)
@click.option(
    "--format",
    "encoding",
    type=click.Choice(["jpeg", "png", "webp"]),
    help="The format of the painting. Without it: by OUT's suffix, else the photograph's own.",
)
@click.option(
    "--quality",
    type=click.IntRange(1, 100),
    help="For JPEG and WebP. Without it: the server's own.",
)
@click.option(
    "--network-version",
    type=click.IntRange(min=1),
    metavar="NUMBER",
    help="The version of the network. Without it: the server's choice, the newest.",
)
@click.option(
    "--keep-exif",
    is_flag=True,
    help="Keep what the photograph's EXIF says of camera, time and place. Its orientation is "
    "applied in any case, and its thumbnail left out.",
)
@server_options
def stylize(
    images: Sequence[Path],
    style: str,
    strength: float,
    keep_colors: bool,
    longest_side: int | None,
    destination: Destination,
    encoding: ImageFormat | None,
    quality: int | None,
    network_version: int | None,
    keep_exif: bool,
    url: str,
    timeout: float,
) -> int:
    """Repaint photographs in a style.

    A PHOTO is a JPEG, PNG or WebP, or what else Pillow reads, such as BMP, TIFF, GIF and AVIF,
    whose painting is a PNG. It may be - for standard input, and OUT - for standard output. The path
    of each painting is printed, unless the painting itself goes to standard output. Of several
    PHOTOs, one that fails is named, the others are painted, and the exit code is 1.
    """
    destination = _with_streams(images, destination)
    if destination.output is not None and destination.output != STREAM:
        encoding = _format_of(destination.output, encoding)
    each = EachImage(images)
    outputs = each.outputs(destination, lambda photo: _name_of(photo, style, encoding))
    with Client(url, timeout=timeout, retries=RETRIES) as art:
        for photo, output in outputs:
            with each.attempt(photo):
                data = _read(photo)
                exif = exif_of(data, str(photo)) if keep_exif else None
                painting = art.stylize_encoded(
                    data,
                    style,
                    strength=strength,
                    keep_colors=keep_colors,
                    longest_side=longest_side,
                    format=encoding,
                    quality=quality,
                    network_version=network_version,
                )
                _write(output, with_exif(painting, exif) if exif else painting)
    return each.exit_code


def _with_streams(images: Sequence[Path], destination: Destination) -> Destination:
    """Has the painting of standard input go to standard output, unless a file is named."""
    if STREAM in images:
        if len(images) > 1:
            raise click.UsageError("-, standard input, cannot be one of several images")
        if destination.directory is not None:
            raise click.UsageError("standard input has no name for a file in a directory: give -o")
        destination = replace(destination, output=destination.output or STREAM)
    if destination.output == STREAM and sys.stdout.isatty():
        raise click.UsageError("an image cannot be shown on a terminal: give a file with -o OUT")
    return destination


def _name_of(photo: Path, style: str, encoding: ImageFormat | None) -> str:
    """The painting's name; without `encoding`, its suffix follows from the photograph's bytes."""
    if encoding is None:
        if not photo.is_file():  # What was read of a pipe would be gone.
            raise click.UsageError(f"{photo} is a pipe or a device: give -o OUT or --format")
        with photo.open("rb") as file:
            encoding = served_format(file.read(_SIGNATURE)) or LOSSLESS
    return f"{photo.stem}-{style_slug(style)}{_SUFFIXES[encoding]}"


def _read(photo: Path) -> bytes:
    return sys.stdin.buffer.read() if photo == STREAM else photo.read_bytes()


def _write(output: Path, painting: bytes) -> None:
    if output == STREAM:
        sys.stdout.buffer.write(painting)
        sys.stdout.buffer.flush()
    else:
        write_whole(output, painting)
        click.echo(output)


def style_slug(style: str) -> str:
    """The style in a file's name: `great_wave:0.7,udnie:0.3` is great_wave-0.7+udnie-0.3."""
    return re.sub(r"[^\w.+-]+", "-", re.sub(r"\s*,\s*", "+", style)).strip("-.")


def _format_of(output: Path, encoding: ImageFormat | None) -> ImageFormat | None:
    wanted = _FORMATS.get(output.suffix.lower())
    if wanted is None and encoding is None and output.suffix:
        raise click.UsageError(
            f"{output}: there is no format {output.suffix!r}; use .jpg, .png or .webp, or --format"
        )
    if wanted is not None and encoding is not None and wanted != encoding:
        raise click.UsageError(f"{output} and --format {encoding} do not go together")
    return wanted or encoding
