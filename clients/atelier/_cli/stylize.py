"""`atelier stylize`."""

import re
import sys
from pathlib import Path

import click

from atelier._atomic_write import write_whole
from atelier._cli.command import Command
from atelier._cli.options import RETRIES, server_options
from atelier._cli.paths import check_image, check_place
from atelier._client import Client
from atelier._images import ImageFormat, served_format

_FORMATS: dict[str, ImageFormat] = {
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".png": "png",
    ".webp": "webp",
}
_SUFFIXES: dict[ImageFormat | None, str] = {"jpeg": ".jpg", "png": ".png", "webp": ".webp"}
_STREAM = Path("-")


@click.command(cls=Command)
@click.argument("photo", type=click.Path(allow_dash=True, path_type=Path))
@click.option(
    "--style",
    required=True,
    metavar="NAME",
    help="A style's name, or a mix such as great_wave:0.7,udnie:0.3.",
)
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
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    metavar="OUT",
    help="The file to write; its suffix chooses the format. Without it: PHOTO's name and the "
    "style's, in the current directory.",
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
@server_options
def stylize(
    photo: Path,
    style: str,
    strength: float,
    keep_colors: bool,
    longest_side: int | None,
    output: Path | None,
    encoding: ImageFormat | None,
    quality: int | None,
    url: str,
    timeout: float,
) -> None:
    """Repaint PHOTO in a style.

    PHOTO may be - for standard input, and OUT - for standard output. The path of the painting is
    printed, unless the painting itself goes to standard output.
    """
    if photo != _STREAM:
        check_image(photo)
    elif output is None:
        output = _STREAM
    if output is not None and output != _STREAM:
        encoding = _format_of(output, encoding)
        check_place(output, [] if photo == _STREAM else [photo])
    if output == _STREAM and sys.stdout.isatty():
        raise click.UsageError("an image cannot be shown on a terminal: give a file with -o OUT")

    data = sys.stdin.buffer.read() if photo == _STREAM else photo.read_bytes()
    with Client(url, timeout=timeout, retries=RETRIES) as art:
        painting = art.stylize_encoded(
            data,
            style,
            strength=strength,
            keep_colors=keep_colors,
            longest_side=longest_side,
            format=encoding,
            quality=quality,
        )

    if output == _STREAM:
        sys.stdout.buffer.write(painting)
        sys.stdout.buffer.flush()
        return
    if output is None:
        output = Path(
            f"{photo.stem}-{style_slug(style)}{_SUFFIXES.get(served_format(painting), '')}"
        )
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
