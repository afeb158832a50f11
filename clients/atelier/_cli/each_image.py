"""Several images in one call: where each result goes, and what a failure of one means."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
import grpc

from atelier._cli.messages import about, sentence
from atelier._cli.paths import STREAM, check_image, check_is_none_of, check_kept, check_parent
from atelier._errors import AtelierError, InvalidRequest, Unreachable

# What the server, or the client before it, says of a style, and of `--top`.
_OF_THE_REQUEST: Final = re.compile(r"(unknown |the )?style\b|every weight|the weight|top ")


@dataclass(frozen=True)
class Destination:
    """Where results are to go.

    Attributes:
        output: The file for the result of the only image, or None.
        directory: The folder for the results, or None for the current directory.
        overwrite: Whether a file that exists is replaced.
    """

    output: Path | None
    directory: Path | None
    overwrite: bool


class EachImage:
    """The images of a call, and how many of them failed.

    Of one image alone, a failure is the call's, with its own exit code. Of several, each failure is
    a line on standard error, and the call goes on with the rest, unless it concerns them too.

    Args:
        images: What the call names.
    """

    def __init__(self, images: Sequence[Path]) -> None:
        self._images = images
        self._failed = 0

    @property
    def exit_code(self) -> int:
        """1 where one has failed, else 0."""
        return 1 if self._failed else 0

    def outputs(
        self, destination: Destination, name_of: Callable[[Path], str]
    ) -> list[tuple[Path, Path]]:
        """Each image with the file that its result is to be written to.

        An image that is not there, and one whose output exists and is to be kept, have failed.

        Args:
            destination: Where the results are to go.
            name_of: The name of the file that is made of an image, without a directory.

        Raises:
            click.UsageError: An output is another's, or an image, or cannot be written.
        """
        output, directory = destination.output, destination.directory
        if output is not None and directory is not None:
            raise click.UsageError("-o and --output-dir do not go together: give one of them")
        if output is not None and len(self._images) > 1:
            raise click.UsageError(
                f"-o names one file, and there are {len(self._images)} images: give --output-dir"
            )
        if directory is not None and directory.exists() and not directory.is_dir():
            raise click.UsageError(f"{directory} is a file; give a directory")
        planned = []
        for image in self._images:
            with self.attempt(image):
                if image != STREAM:
                    check_image(image)
                planned.append((image, output or (directory or Path()) / name_of(image)))
        _check_distinct(planned)
        images = [image for image, _ in planned if image != STREAM]
        jobs = []
        for image, place in planned:
            if place != STREAM:
                check_is_none_of(images, place)
            if output not in (None, STREAM):
                check_parent(place)
            with self.attempt(image):
                check_kept(place, overwrite=destination.overwrite)
                jobs.append((image, place))
        if directory is not None and jobs:
            directory.mkdir(parents=True, exist_ok=True)
        return jobs

    @contextmanager
    def attempt(self, image: Path) -> Iterator[None]:
        """Counts a failure of the block that concerns `image` alone, and names the image."""
        alone = len(self._images) == 1
        try:
            yield
        except (click.UsageError, Unreachable):
            raise
        except AtelierError as error:
            # With an exit code of its own.
            of_the_server = alone and not isinstance(error, InvalidRequest)
            if of_the_server or _concerns_every_image(error):
                raise
            self._fail(about(image, str(error)), error)
        except click.ClickException as error:
            self._fail(error.message, error)
        except OSError as error:
            self._fail(sentence(error) if error.filename else about(image, str(error)), error)

    def _fail(self, message: str, error: Exception) -> None:
        if len(self._images) == 1:
            raise click.ClickException(message) from error
        click.echo(f"Error: {message}", err=True)
        self._failed += 1


def _check_distinct(planned: Sequence[tuple[Path, Path]]) -> None:
    """Raises UsageError where two images would be written to one file."""
    image_of: dict[str, Path] = {}
    for image, output in planned:
        other = image_of.setdefault(os.path.realpath(output), image)
        if other is image:
            continue
        if other == image:
            raise click.UsageError(f"{image} is there twice: name it once")
        raise click.UsageError(
            f"{other} and {image} would both be written to {output}: give them in two calls, "
            "each with an --output-dir of its own"
        )


def _concerns_every_image(error: AtelierError) -> bool:
    """Whether the model is not served, or the request is wrong with any image."""
    if error.code is grpc.StatusCode.NOT_FOUND:
        return True
    return isinstance(error, InvalidRequest) and _OF_THE_REQUEST.match(str(error)) is not None
