"""The files that a command reads and writes, checked before anything is sent."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import click

STREAM: Final = Path("-")
"""Standard input or output."""


def check_image(image: Path) -> None:
    """Raises ClickException where there is no such file."""
    if image.is_dir():
        raise click.ClickException(f"{str(image)!r} is a directory: give an image in it")
    if not image.exists():
        place = "" if image.is_absolute() else f" in {Path.cwd()}"
        raise click.ClickException(f"there is no file {str(image)!r}{place}")


def check_is_none_of(images: Iterable[Path], output: Path) -> None:
    """Raises UsageError where `output` is one of the images."""
    for image in images:
        if output.exists() and output.samefile(image):
            raise click.UsageError(f"{output} is the image itself; choose another OUT")


def check_parent(output: Path) -> None:
    """Raises UsageError where the directory of `output` does not exist."""
    if not output.parent.is_dir():
        raise click.UsageError(f"{output}: there is no directory {str(output.parent)!r}")


def check_kept(output: Path, *, overwrite: bool) -> None:
    """Raises ClickException where `output` is a file that is to be kept; devices are no files."""
    if output.is_file() and not overwrite:
        raise click.ClickException(f"{output} exists and is kept; --overwrite replaces it")


def check_directory(output: Path) -> None:
    """Raises UsageError where `output` neither is a directory nor can be made one."""
    if output.exists() and not output.is_dir():
        raise click.UsageError(f"{output} is a file; give a directory")
    check_parent(output)
