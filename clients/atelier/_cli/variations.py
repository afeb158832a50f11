"""`atelier morph`, `atelier vary` and `atelier wander`."""

from pathlib import Path

import click

from atelier._cli.command import Command
from atelier._cli.image_files import (
    MOVING,
    STILL,
    output_of,
    read_image,
    row_of,
    say_fitted,
    write_frames,
    write_image,
)
from atelier._cli.options import RETRIES, image_argument, output_option, server_options
from atelier._client import Client
from atelier._latent_space import MAX_IMAGES
from atelier._posterior import MAX_STRENGTH

_MOVING_HELP = "The file to write: .gif or .webp repeat for ever; .png has all frames in one row."

_strength = click.option(
    "--strength",
    type=click.FloatRange(0, MAX_STRENGTH),
    default=4.0,
    metavar="NUMBER",
    show_default=True,
    help="How far from the image: 0 is its reconstruction, 1 the spread that the encoder gives it.",
)
_seed = click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    metavar="NUMBER",
    show_default=True,
    help="Another one draws other images.",
)


@click.command(cls=Command)
@image_argument("first")
@image_argument("second")
@click.option(
    "--frames",
    type=click.IntRange(2, MAX_IMAGES),
    default=24,
    metavar="NUMBER",
    show_default=True,
    help="How many images, both ends included.",
)
@output_option(_MOVING_HELP, "FIRST-to-SECOND.gif")
@server_options
def morph(
    first: Path,
    second: Path,
    frames: int,
    output: Path | None,
    overwrite: bool,
    url: str,
    timeout: float,
) -> None:
    """Turn the image FIRST into the image SECOND, one way.

    Both are fitted to the square of the network.
    """
    default = f"{first.stem}-to-{second.stem}.gif"
    output = output_of(output, default, [first, second], MOVING, overwrite=overwrite)
    start, end = read_image(first), read_image(second)
    with Client(url, timeout=timeout, retries=RETRIES) as art:
        images = art.interpolate(start, end, frames)
    say_fitted(first, start, images[0])
    say_fitted(second, end, images[-1])
    write_frames(output, images)


@click.command(cls=Command)
@image_argument("image")
@click.option(
    "--count",
    type=click.IntRange(1, MAX_IMAGES),
    default=4,
    metavar="NUMBER",
    show_default=True,
    help="How many variants.",
)
@_strength
@_seed
@output_option("The file to write: .png, .jpg or .webp.", "IMAGE-varied.png")
@server_options
def vary(
    image: Path,
    count: int,
    strength: float,
    seed: int,
    output: Path | None,
    overwrite: bool,
    url: str,
    timeout: float,
) -> None:
    """Draw variants of IMAGE, in one row.

    The whole image is fitted to the square of the network.
    """
    default = f"{image.stem}-varied.png"
    output = output_of(output, default, [image], STILL, overwrite=overwrite)
    source = read_image(image)
    with Client(url, timeout=timeout, retries=RETRIES) as art:
        images = art.vary(source, count, strength, seed)
    say_fitted(image, source, images[0])
    write_image(output, row_of(images))


@click.command(cls=Command)
@image_argument("image")
@click.option(
    "--frames",
    type=click.IntRange(3, MAX_IMAGES),
    default=24,
    metavar="NUMBER",
    show_default=True,
    help="How many images.",
)
@_strength
@_seed
@output_option(_MOVING_HELP, "IMAGE-wander.gif")
@server_options
def wander(
    image: Path,
    frames: int,
    strength: float,
    seed: int,
    output: Path | None,
    overwrite: bool,
    url: str,
    timeout: float,
) -> None:
    """Go round in a circle in latent space that begins and ends at IMAGE.

    The whole image is fitted to the square of the network.
    """
    default = f"{image.stem}-wander.gif"
    output = output_of(output, default, [image], MOVING, overwrite=overwrite)
    source = read_image(image)
    with Client(url, timeout=timeout, retries=RETRIES) as art:
        images = art.wander(source, frames, strength, seed)
    say_fitted(image, source, images[0])
    write_frames(output, images)
