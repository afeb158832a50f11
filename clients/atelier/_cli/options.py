"""Arguments and options that several commands have."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import reduce, wraps
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast

import click

from atelier import _access
from atelier._channel import targets_of
from atelier._cli.completion import complete_styles
from atelier._cli.each_image import Destination
from atelier._request_log import write_log
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
    """Adds --url, --timeout and --log, and what is shown to a server and asked of it."""
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
        help="Time for each image or call, its retries included.",
    )
    log = click.option(
        "--log",
        type=click.Choice(["text", "json"]),
        expose_value=False,
        callback=_start_log,
        help="Write a line for each request to standard error: the time, the model, the style, the "
        "size, milliseconds, the result and the request's id.",
    )

    @wraps(command)
    def checked(*arguments: Any, **named: Any) -> Any:
        try:
            _access.Access.of(None, None)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        return command(*arguments, **named)

    with_access = reduce(lambda made, option: option(made), reversed(_ACCESS_OPTIONS), checked)
    return cast(Command, url(timeout(log(with_access))))


def _access_option(name: str, variable: str, help_text: str, **settings: Any) -> Any:
    """An option that stands for a variable: the command's clients find its value there."""

    def callback(context: click.Context, _parameter: click.Parameter, value: Any) -> None:
        if value:
            context.with_resource(_environment(variable, "1" if value is True else str(value)))

    return click.option(
        name, envvar=variable, show_envvar=True, expose_value=False, callback=callback,
        help=help_text, **settings,
    )  # fmt: skip


_FILE: dict[str, Any] = {
    "metavar": "FILE",
    "type": click.Path(exists=True, dir_okay=False, readable=True, path_type=Path),
}
_ACCESS_OPTIONS = (
    _access_option("--tls", _access.TLS, "Talk to the server in TLS.", is_flag=True),
    _access_option(
        "--tls-ca",
        _access.TLS_CA,
        "TLS, with the certificates of the authorities that sign the server's, in PEM.",
        **_FILE,
    ),
    _access_option(
        "--tls-certificate",
        _access.TLS_CERTIFICATE,
        "The client's own certificate, for a server that asks for one.",
        **_FILE,
    ),
    _access_option("--tls-key", _access.TLS_KEY, "The key of that certificate.", **_FILE),
    _access_option(
        "--token-file",
        _access.TOKEN_FILE,
        f"The token that the server asks for; {_access.TOKEN} is the token itself.",
        **_FILE,
    ),
)


@contextmanager
def _environment(variable: str, value: str) -> Iterator[None]:
    before = os.environ.get(variable)
    os.environ[variable] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[variable]
        else:
            os.environ[variable] = before


def _start_log(_context: click.Context, _parameter: click.Parameter, kind: Any) -> None:
    if kind is not None:
        write_log(kind, sys.stderr)


style_option = click.option(
    "--style",
    required=True,
    multiple=True,
    metavar="NAME",
    callback=lambda _context, _parameter, names: ",".join(names),
    shell_complete=complete_styles,
    help="A style's name, or a mix such as great_wave:0.7,udnie:0.3. Given twice or more: a mix of "
    "them.",
)


def image_argument(name: str) -> Callable[[Command], Command]:
    """Adds the argument of a file with an image."""
    return click.argument(name, type=click.Path(path_type=Path))


def images_argument(
    name: str = "IMAGE", *, allow_dash: bool = False
) -> Callable[[Command], Command]:
    """Adds the argument `images`: one file or several; `name` is what the help calls each."""
    kind = click.Path(allow_dash=allow_dash, path_type=Path)
    return click.argument("images", nargs=-1, required=True, metavar=f"{name}...", type=kind)


def output_option(
    text: str, default: str, *, dir_okay: bool = False, allow_dash: bool = False
) -> Callable[[Command], Command]:
    """Adds -o for the file to write, with a help text and its default name, and --overwrite."""
    output = click.option(
        "-o",
        "--output",
        type=click.Path(dir_okay=dir_okay, allow_dash=allow_dash, path_type=Path),
        metavar="OUT",
        help=f"{text} Without it: {default}, in the current directory.",
    )
    return lambda command: output(overwrite_option(command))


overwrite_option = click.option(
    "--overwrite",
    is_flag=True,
    help="Replace files that exist. Without it they are kept, those named with -o as well, and "
    "what would replace them counts as failed.",
)


def destination_options(
    text: str, default: str, *, allow_dash: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds -o, --output-dir and --overwrite, which the command is given as `destination`."""

    def with_destination(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def called(
            *, output: Path | None, output_dir: Path | None, overwrite: bool, **others: Any
        ) -> Any:
            return command(destination=Destination(output, output_dir, overwrite), **others)

        directory = click.option(
            "--output-dir",
            type=click.Path(path_type=Path),
            metavar="DIR",
            help="The directory for the results of any number of images; it is made if need be.",
        )
        return output_option(text, default, allow_dash=allow_dash)(directory(called))

    return with_destination
