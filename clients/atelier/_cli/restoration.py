"""`atelier reconstruct`, `atelier denoise` and `atelier fill`."""

from collections.abc import Callable, Sequence
from pathlib import Path

import click
from PIL import Image

from atelier._cli.command import Command
from atelier._cli.each_image import Destination, EachImage
from atelier._cli.image_files import (
    STILL,
    check_suffix,
    output_of,
    read_image,
    say_fitted,
    write_image,
)
from atelier._cli.options import (
    RETRIES,
    destination_options,
    image_argument,
    images_argument,
    output_option,
    server_options,
)
from atelier._client import Client


@click.command(cls=Command)
@images_argument()
@destination_options("The file to write: .png, .jpg or .webp.", "IMAGE-reconstructed.png")
@server_options
def reconstruct(images: Sequence[Path], destination: Destination, url: str, timeout: float) -> int:
    """Encode images and decode them again.

    The whole of each IMAGE is fitted to the square of the network.
    """
    return _write_squares(images, destination, "reconstructed", Client.reconstruct, url, timeout)


@click.command(cls=Command)
@images_argument()
@destination_options("The file to write: .png, .jpg or .webp.", "IMAGE-denoised.png")
@server_options
def denoise(images: Sequence[Path], destination: Destination, url: str, timeout: float) -> int:
    """Remove noise from images.

    The whole of each IMAGE is fitted to the square of the network.
    """
    return _write_squares(images, destination, "denoised", Client.denoise, url, timeout)


@click.command(cls=Command)
@image_argument("image")
@image_argument("mask")
@output_option("The file to write: .png, .jpg or .webp.", "IMAGE-filled.png")
@server_options
def fill(
    image: Path, mask: Path, output: Path | None, overwrite: bool, url: str, timeout: float
) -> None:
    """Fill the holes of IMAGE, which are white in MASK.

    MASK has the size of IMAGE and is black where nothing is to change.
    """
    default = f"{image.stem}-filled.png"
    output = output_of(output, default, [image, mask], STILL, overwrite=overwrite)
    with Client(url, timeout=timeout, retries=RETRIES) as art:
        filled = art.fill(read_image(image), read_image(mask))
    write_image(output, filled)


def _write_squares(
    images: Sequence[Path],
    destination: Destination,
    name: str,
    method: Callable[[Client, Image.Image], Image.Image],
    url: str,
    timeout: float,
) -> int:
    """Writes what a method makes of each whole image, at the network's size."""
    check_suffix(destination.output, STILL)
    each = EachImage(images)
    outputs = each.outputs(destination, lambda image: f"{image.stem}-{name}.png")
    with Client(url, timeout=timeout, retries=RETRIES) as art:
        for image, output in outputs:
            with each.attempt(image):
                source = read_image(image)
                square = method(art, source)
                say_fitted(image, source, square)
                write_image(output, square)
    return each.exit_code
