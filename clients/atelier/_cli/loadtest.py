"""`atelier loadtest`."""

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from atelier._cli.console import wide_console
from atelier._cli.loadtest_extra import loadtest_extra
from atelier._cli.loadtest_reports import compare_command, report_command, write_report
from atelier._cli.options import server_options

_INTERRUPTED = 130


class _RunByDefault(click.Group):
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
    "--find-capacity", "Search for the highest rate that holds --slo, and for the one at which the "
    "queue begins to grow.", is_flag=True,
)  # fmt: skip
@_option(
    "--mlperf", "Have MLPerf's own LoadGen measure, by its rules.",
    type=click.Choice(["singlestream", "multistream", "server", "offline"]),
)  # fmt: skip
@_option(
    "--slo", "Objectives that are all to hold, such as p99<300ms,errors<0.1%. A request that "
    "fails is late, too.", metavar="OBJECTIVES",
)  # fmt: skip
@_option(
    "--processes", "How many client processes send; several where one cannot send it all.",
    type=click.IntRange(1, 64), default=1, metavar="NUMBER",
)  # fmt: skip
@_option(
    "--seconds", "How long, without the warm-up; each trial of a search.",
    type=click.FloatRange(1), default=30.0, metavar="NUMBER",
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
    "-o", "Where to write NAME.json and NAME.html, the page that shows it.", default="loadtest",
    metavar="NAME", type=click.Path(path_type=Path),
)  # fmt: skip
@server_options
def run_command(**options: Any) -> int:
    """Send requests to MODEL, or to a mix of models, by a plan.

    A mix is written as stylize:3,classify:1. Latency counts from the planned moment, so that
    neither a stalled server nor a late client hides. A percentile that so few requests cannot
    carry is refused.
    """
    with loadtest_extra():
        from atelier._cli.loadtest_progress import shown
        from atelier._loadtest import command
        from atelier._loadtest.live import Live
    console, live = wide_console(), Live()
    try:
        with shown(live):
            report = command.run(options, lambda found: command.print_found(found, console), live)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    report["command"] = shlex.join(["atelier", *sys.argv[1:]])
    write_report(options["o"], report)
    run, capacity = report["run"], report.get("capacity")
    if "mlperf" in report:
        command.print_mlperf(report["mlperf"], console)
        return 0
    if run is not None:
        command.print_run(run, console)
    if capacity is not None:
        command.print_capacity(capacity, console)
    interrupted = run["interrupted"] if capacity is None else capacity["interrupted"]
    return _INTERRUPTED if interrupted else 0


loadtest.add_command(report_command)
loadtest.add_command(compare_command)
