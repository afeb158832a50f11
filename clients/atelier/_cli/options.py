"""Options that every command which talks to a server has."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from atelier._channel import target_of

Command = TypeVar("Command", bound=Callable[..., Any])


def checked_url(context: click.Context, parameter: click.Parameter, url: str | None) -> str | None:
    """Refuses what is no server address, before anything is done."""
    if url is not None:
        try:
            target_of(url)
        except ValueError as error:
            raise click.BadParameter(str(error), context, parameter) from error
    return url


def server_options(command: Command) -> Command:
    """Adds --url and --timeout."""
    url = click.option(
        "--url",
        default="localhost:8001",
        envvar="ATELIER_URL",
        metavar="HOST:PORT",
        callback=checked_url,
        show_default=True,
        show_envvar=True,
        help="The server's gRPC port.",
    )
    timeout = click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        default=30.0,
        metavar="SECONDS",
        show_default=True,
        help="Time for the whole call.",
    )
    return url(timeout(command))
