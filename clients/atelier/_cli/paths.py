"""The files that a command reads and writes, checked before anything is sent."""

from collections.abc import Iterable
from pathlib import Path

import click


def check_image(image: Path) -> None:
    """Raises ClickException where there is no such file."""
    if image.is_dir():
        raise click.ClickException(f"{str(image)!r} is a directory: give an image in it")
    if not image.exists():
        place = "" if image.is_absolute() else f" in {Path.cwd()}"
        raise click.ClickException(f"there is no file {str(image)!r}{place}")


def check_place(output: Path, images: Iterable[Path]) -> None:
    """Raises UsageError where `output` is one of the images, or its directory does not exist."""
    for image in images:
        if output.exists() and output.samefile(image):
            raise click.UsageError(f"{output} is the image itself; choose another OUT")
    if not output.parent.is_dir():
        raise click.UsageError(f"{output}: there is no directory {str(output.parent)!r}")


def check_directory(output: Path) -> None:
    """Raises UsageError where `output` neither is a directory nor can be made one."""
    if output.exists() and not output.is_dir():
        raise click.UsageError(f"{output} is a file; give a directory")
    check_place(output, [])
