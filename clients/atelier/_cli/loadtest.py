"""`atelier loadtest`."""

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from atelier._atomic_write import write_whole
from atelier._cli.command import Group
from atelier._cli.console import wide_console
from atelier._cli.options import server_options
from atelier._extras import pip_install

_INTERRUPTED = 130


class _RunByDefault(Group):
    """A group whose first argument is a model, unless it names another command."""

    def parse_args(self, context: click.Context, arguments: list[str]) -> list[str]:
        if not arguments or arguments[0] not in self.commands:
            arguments = ["run", *arguments]
        return super().parse_args(context, arguments)


@click.group(cls=_RunByDefault)
def loadtest() -> None:
    """Measure how many requests a second a server holds, and at which latency."""


def _option(name: str, text: str, **settings: Any) -> Callable[[Any], Any]:
    return click.option(
        name, help=text, show_default=settings.get("default") is not None, **settings
    )


@loadtest.command("run")
@click.argument("model")
@_option("--rate", "Requests a second.", type=click.FloatRange(0, min_open=True), metavar="NUMBER")
@_option("--ramp", "From one rate to another, such as 5:50.", metavar="FROM:TO")
@_option("--steps", "One rate after another, such as 10,20,30.", metavar="RATES")
@_option(
    "--trace", "A file with the moment of each arrival, a line each, in seconds.",
    type=click.Path(dir_okay=False, path_type=Path),
)  # fmt: skip
@_option(
    "--callers", "Closed loop: so many callers, each of whom waits for the response before the "
    "next request. It hides stalls; for comparison.", type=click.IntRange(1), metavar="NUMBER",
)  # fmt: skip
@_option(
    "--seconds", "How long, without the warm-up.", type=click.FloatRange(1), default=30.0,
    metavar="NUMBER",
)  # fmt: skip
@_option(
    "--warmup", "Seconds before that, which do not count.", type=click.FloatRange(0), default=2.0,
    metavar="NUMBER",
)  # fmt: skip
@_option(
    "--arrivals", "Whether requests come at random or evenly spaced.",
    type=click.Choice(["poisson", "constant"]), default="poisson",
)  # fmt: skip
@_option("--size", "Sizes of images, with weights.", default="256x256", metavar="SIZES")
@_option("--style", "Styles with weights, as a:3;b:1. Without it: all.", metavar="STYLES")
@_option(
    "--images", "A folder of photographs. Without it: made images.",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)  # fmt: skip
@_option(
    "--encoding", "Of images that are sent as files.",
    type=click.Choice(["jpeg", "png", "webp"]), default="jpeg",
)  # fmt: skip
@_option(
    "--seed", "Another one draws other requests and arrivals.", type=click.IntRange(0), default=0
)
@_option(
    "-o", "Where to write NAME.json.", default="loadtest", metavar="NAME",
    type=click.Path(path_type=Path),
)  # fmt: skip
@server_options
def run_command(**options: Any) -> int:
    """Send requests to MODEL, or to a mix of models, by a plan.

    A mix is written as stylize:3,classify:1. Latency counts from the planned moment, so that
    neither a stalled server nor a late client hides. A percentile that so few requests cannot
    carry is refused.
    """
    try:
        from atelier._loadtest import command
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    try:
        report = command.run(options)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    report["command"] = shlex.join(["atelier", *sys.argv[1:]])
    _write(options["o"], report)
    command.print_run(report["run"], wide_console())
    return _INTERRUPTED if report["run"]["interrupted"] else 0


def _write(name: Path, report: dict[str, Any]) -> None:
    file = name.with_name(f"{name.name}.json")
    write_whole(file, json.dumps(report, indent=1).encode())
    click.echo(file)


def _missing(error: ModuleNotFoundError) -> click.ClickException:
    if error.name is None or error.name.startswith("atelier"):
        raise error
    return click.ClickException(f"the module {error.name!r} is missing: {pip_install('loadtest')}")
