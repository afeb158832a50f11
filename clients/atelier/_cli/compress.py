"""`atelier compress` and `atelier decompress`."""

from pathlib import Path

import click
from PIL import Image

from atelier._atomic_write import write_whole
from atelier._cli.command import Command
from atelier._cli.image_files import STILL, output_of, read_image, write_image
from atelier._cli.messages import about
from atelier._cli.options import RETRIES, image_argument, output_option, server_options
from atelier._cli.paths import check_image, check_is_none_of, check_kept, check_parent
from atelier._client import Client
from atelier._compression import DEFAULT_STEP, MAX_STEP, MIN_STEP
from atelier._errors import InvalidRequest


@click.command(cls=Command)
@image_argument("image")
@click.option(
    "--step",
    type=click.FloatRange(MIN_STEP, MAX_STEP),
    default=DEFAULT_STEP,
    metavar="NUMBER",
    show_default=True,
    help="Between two numbers of the latent. Larger makes smaller files, and worse images.",
)
@output_option("The file to write.", "IMAGE.atl")
@server_options
def compress(
    image: Path, step: float, output: Path | None, overwrite: bool, url: str, timeout: float
) -> None:
    """Compress IMAGE into an .atl file, which decompress reads.

    The whole image is fitted to the square of the network. The file can only be read with the
    version of the network that made it.
    """
    check_image(image)
    output = output or Path(f"{image.stem}.atl")
    check_is_none_of([image], output)
    check_parent(output)
    check_kept(output, overwrite=overwrite)
    with Client(url, timeout=timeout, retries=RETRIES) as art:
        data = art.compress(read_image(image), step)
    write_whole(output, data)
    click.echo(output)


@click.command(cls=Command)
@image_argument("file")
@click.option(
    "--keep-aspect",
    is_flag=True,
    help="Shrink the square to the aspect ratio that the image had before.",
)
@output_option("The file to write: .png, .jpg or .webp.", "FILE-decompressed.png")
@server_options
def decompress(
    file: Path,
    keep_aspect: bool,
    output: Path | None,
    overwrite: bool,
    url: str,
    timeout: float,
) -> None:
    """Decompress FILE, which compress wrote.

    The image is the square of the network.
    """
    default = f"{file.stem}-decompressed.png"
    output = output_of(output, default, [file], STILL, overwrite=overwrite)
    with Client(url, timeout=timeout, retries=RETRIES) as art:
        try:
            image = art.decompress(file.read_bytes())
        except InvalidRequest as error:
            if error.code is not None:  # The server, not the file.
                raise
            raise click.ClickException(about(file, str(error))) from error
    original = image.info["original_size"]
    if keep_aspect:
        image = _with_aspect(image, original)
    if image.size != original:
        width, height = original
        name = click.format_filename(file)
        click.echo(f"{name} was {width}×{height} before it was compressed", err=True)
    write_image(output, image)


def _with_aspect(square: Image.Image, original: tuple[int, int]) -> Image.Image:
    """The square shrunk to the aspect ratio of another size; its longer side stays."""
    scale = square.width / max(original)
    width, height = (max(1, round(scale * side)) for side in original)
    return square.resize((width, height), Image.Resampling.LANCZOS)
