"""`atelier generate`, `atelier walk` and `atelier movements`."""

import glob
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from atelier._cli.command import Command
from atelier._cli.completion import complete_movements
from atelier._cli.contact_sheet import grid
from atelier._cli.image_files import (
    MOVING,
    STILL,
    output_of,
    write_frames,
    write_image,
    write_separately,
)
from atelier._cli.options import RETRIES, output_option, server_options
from atelier._cli.paths import check_directory, check_kept
from atelier._cli.stylize import style_slug
from atelier._client import Client
from atelier._generator import MAX_SEED, MAX_TRUNCATION
from atelier._latent_space import MAX_IMAGES

_DRAWN_SEEDS: Final = 2**32
"""Fewer than there are, so that a drawn one is short enough to be typed again."""
_SEED: Final = click.IntRange(0, MAX_SEED)

_truncation = click.option(
    "--truncation",
    type=click.FloatRange(0, MAX_TRUNCATION, min_open=True),
    metavar="NUMBER",
    help=f"Above 0, up to {MAX_TRUNCATION:g}. Less gives more typical images, which resemble each "
    "other more. Without it: the server's own.",
)
_separate = click.option(
    "--separate",
    is_flag=True,
    help="Write every image as a PNG file of its own; OUT is a directory then. Without OUT: the "
    "current one.",
)


def _parse_seeds(context: click.Context, parameter: click.Parameter, text: str) -> list[int]:
    seeds = [_SEED(part.strip(), parameter, context) for part in text.split(",")]
    if len(seeds) < 2:
        raise click.BadParameter(
            f"{text!r} is one seed; give two or more, with commas between", context, parameter
        )
    return seeds


@click.command(cls=Command)
@click.option(
    "--movement",
    metavar="NAME",
    shell_complete=complete_movements,
    help="One that `atelier movements` lists. Without it: every image has its own.",
)
@click.option(
    "--count",
    type=click.IntRange(1, MAX_IMAGES),
    default=16,
    metavar="NUMBER",
    show_default=True,
    help="How many images.",
)
@click.option(
    "--seed",
    type=_SEED,
    metavar="NUMBER",
    help="The same one makes the same images again. Without it: a new one, which is shown.",
)
@_truncation
@_separate
@output_option("The file to write: .png, .jpg or .webp.", "MOVEMENT-SEED.png", dir_okay=True)
@server_options
def generate(
    movement: str | None,
    count: int,
    seed: int | None,
    truncation: float | None,
    separate: bool,
    output: Path | None,
    overwrite: bool,
    url: str,
    timeout: float,
) -> None:
    """Paint new images, all on one sheet.

    The seed is shown on standard error.
    """
    if seed is None:
        seed = secrets.randbelow(_DRAWN_SEEDS)
    stem = f"{style_slug(movement or '') or 'generated'}-{seed}"
    output = _output_of(output, stem, ".png", STILL, separate, overwrite)
    with Client(url, timeout=timeout, retries=RETRIES) as art:
        images = art.generate(count, movement=movement, seed=seed, truncation=truncation)
    click.echo(f"--seed {seed} makes the same images again", err=True)
    if separate:
        write_separately(output, stem, images)
    else:
        write_image(output, grid(images))


@click.command(cls=Command)
@click.option(
    "--movement",
    required=True,
    metavar="NAME",
    shell_complete=complete_movements,
    help="One that `atelier movements` lists.",
)
@click.option(
    "--seeds",
    required=True,
    metavar="NUMBERS",
    callback=_parse_seeds,
    help="Two or more with commas between, such as 1,2,3. The image of a seed is the first that "
    "generate makes of it.",
)
@click.option(
    "--steps",
    type=click.IntRange(2, MAX_IMAGES),
    default=16,
    metavar="NUMBER",
    show_default=True,
    help="How many images from one seed to the next, both ends included.",
)
@click.option("--loop", is_flag=True, help="Go back to the first seed, to begin again without end.")
@_truncation
@_separate
@output_option(
    "The file to write: .gif or .webp repeat for ever; .png has all images in one row.",
    "MOVEMENT-walk.gif",
    dir_okay=True,
)
@server_options
def walk(
    movement: str,
    seeds: list[int],
    steps: int,
    loop: bool,
    truncation: float | None,
    separate: bool,
    output: Path | None,
    overwrite: bool,
    url: str,
    timeout: float,
) -> None:
    """Turn the painting of one seed into that of the next, and so on."""
    stem = f"{style_slug(movement)}-walk"
    output = _output_of(output, stem, ".gif", MOVING, separate, overwrite)
    stops = [*seeds, seeds[0]] if loop else seeds
    with Client(url, timeout=timeout, retries=RETRIES) as art:
        images = art.walk(stops, movement=movement, steps=steps, truncation=truncation)
    if loop:
        images.pop()  # The first one, which comes next.
    if separate:
        write_separately(output, stem, images)
    else:
        write_frames(output, images)


@click.command(cls=Command)
@server_options
def movements(url: str, timeout: float) -> None:
    """List the movements in which the server generates, one a line."""
    with Client(url, timeout=timeout, retries=RETRIES) as art:
        for name in art.movements():
            click.echo(name)


def _output_of(
    output: Path | None,
    stem: str,
    suffix: str,
    formats: Mapping[str, str],
    separate: bool,
    overwrite: bool,
) -> Path:
    """The file to write; the directory for the files, where they are to be separate.

    Raises:
        click.ClickException: It cannot be written, or a file is there that is to be kept.
    """
    if separate:
        output = output or Path()
        check_directory(output)
        for file in output.glob(f"{glob.escape(stem)}-*.png"):
            check_kept(file, overwrite=overwrite)
        return output
    if output is not None and output.is_dir():
        raise click.UsageError(f"{output} is a directory; give a file, or --separate")
    return output_of(output, f"{stem}{suffix}", [], formats, overwrite=overwrite)
