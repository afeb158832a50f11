"""Arguments and options that several commands have."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import click

from atelier._channel import targets_of
from atelier._retry_policy import checked_timeout

RETRIES = 3
"""A person is told soon that nobody is there; a service rather waits, as the clients do."""

Command = TypeVar("Command", bound=Callable[..., Any])
Callback: TypeAlias = Callable[[click.Context, click.Parameter, Any], Any]


def checked_by(check: Callable[[Any], object]) -> Callback:
    """The callback of an option that refuses what `check` refuses with ValueError."""

    def checked(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
        if value is not None:
            try:
                check(value)
            except ValueError as error:
                raise click.BadParameter(str(error), context, parameter) from error
        return value

    return checked


def server_options(command: Command) -> Command:
    """Adds --url and --timeout."""
    url = click.option(
        "--url",
        default="localhost:8001",
        envvar="ATELIER_URL",
        metavar="HOST:PORT,…",
        callback=checked_by(targets_of),
        show_default=True,
        show_envvar=True,
        help="The server's gRPC port, or those of several servers.",
    )
    timeout = click.option(
        "--timeout",
        type=float,
        default=30.0,
        metavar="SECONDS",
        callback=checked_by(checked_timeout),
        show_default=True,
        help="Time for the whole call.",
    )
    return url(timeout(command))


def image_argument(name: str) -> Callable[[Command], Command]:
    """Adds the argument of a file with an image."""
    return click.argument(name, type=click.Path(path_type=Path))


def output_option(
    text: str, default: str, *, dir_okay: bool = False
) -> Callable[[Command], Command]:
    """Adds -o for the file to write, with a help text and the name that is its default."""
    return click.option(
        "-o",
        "--output",
        type=click.Path(dir_okay=dir_okay, path_type=Path),
        metavar="OUT",
        help=f"{text} Without it: {default}, in the current directory.",
    )
