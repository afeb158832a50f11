"""`atelier reconstruct`, `atelier denoise` and `atelier fill`."""

from collections.abc import Callable
from pathlib import Path

import click
from PIL import Image

from atelier._cli.command import Command
from atelier._cli.image_files import STILL, output_of, read_image, say_fitted, write_image
from atelier._cli.options import RETRIES, image_argument, output_option, server_options
from atelier._client import Client


@click.command(cls=Command)
@image_argument("image")
@output_option("The file to write: .png, .jpg or .webp.", "IMAGE-reconstructed.png")
@server_options
def reconstruct(image: Path, output: Path | None, url: str, timeout: float) -> None:
    """Encode IMAGE and decode it again.

    The whole image is fitted to the square of the network.
    """
    _write_square(image, output, "reconstructed", Client.reconstruct, url, timeout)


@click.command(cls=Command)
@image_argument("image")
@output_option("The file to write: .png, .jpg or .webp.", "IMAGE-denoised.png")
@server_options
def denoise(image: Path, output: Path | None, url: str, timeout: float) -> None:
    """Remove noise from IMAGE.

    The whole image is fitted to the square of the network.
    """
    _write_square(image, output, "denoised", Client.denoise, url, timeout)


@click.command(cls=Command)
@image_argument("image")
@image_argument("mask")
@output_option("The file to write: .png, .jpg or .webp.", "IMAGE-filled.png")
@server_options
def fill(image: Path, mask: Path, output: Path | None, url: str, timeout: float) -> None:
    """Fill the holes of IMAGE, which are white in MASK.

    MASK has the size of IMAGE and is black where nothing is to change.
    """
    output = output_of(output, f"{image.stem}-filled.png", [image, mask], STILL)
    with Client(url, timeout=timeout, retries=RETRIES) as art:
        filled = art.fill(read_image(image), read_image(mask))
    write_image(output, filled)


def _write_square(
    image: Path,
    output: Path | None,
    name: str,
    method: Callable[[Client, Image.Image], Image.Image],
    url: str,
    timeout: float,
) -> None:
    """Writes what a method makes of the whole image, at the network's size."""
    output = output_of(output, f"{image.stem}-{name}.png", [image], STILL)
    source = read_image(image)
    with Client(url, timeout=timeout, retries=RETRIES) as art:
        square = method(art, source)
    say_fitted(image, source, square)
    write_image(output, square)
