"""What is done with the reports of load tests."""

import json
from pathlib import Path
from typing import Any

import click

from atelier._atomic_write import write_whole
from atelier._cli.console import wide_console
from atelier._cli.loadtest_extra import loadtest_extra

_MALFORMED = (LookupError, TypeError, AttributeError)
"""What reading a report raises that nobody's load test wrote."""


def write_report(name: Path, report: dict[str, Any]) -> None:
    """Writes NAME.json and NAME.html, and prints their names."""
    from atelier._loadtest.report.page import page

    _write(name, "json", json.dumps(report, indent=1))
    _write(name, "html", page(report))


@click.command("report")
@click.argument("file", metavar="FILE.json", type=click.Path(path_type=Path))
def report_command(file: Path) -> None:
    """Write FILE.html, the page that shows what FILE.json has in it.

    A load test writes both. This is for a page of a newer version, or one that was lost.
    """
    with loadtest_extra():
        from atelier._loadtest.report.page import page
        from atelier._loadtest.report_file import read_report
    try:
        text = page(read_report(file))
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    except _MALFORMED as error:
        raise click.ClickException(f"{file} is no whole report: {error!r}") from error
    _write(file.with_suffix(""), "html", text)


@click.command("compare")
@click.argument("before", metavar="A.json", type=click.Path(path_type=Path))
@click.argument("after", metavar="B.json", type=click.Path(path_type=Path))
@click.option(
    "--tolerance",
    type=click.FloatRange(0),
    default=5.0,
    metavar="PERCENT",
    show_default=True,
    help="How much worse a figure may be, beyond its noise.",
)
def compare_command(before: Path, after: Path, tolerance: float) -> int:
    """Say what changed from A to B, and whether it is more than the noise.

    Both need the same load. Each figure has bounds that take bursts of late requests into account;
    where those of A and B do not meet, the difference is more than the noise of a run. What differs
    between any two runs, such as other work on the machine, is not in it: repeat what matters.

    Exit codes: 0 nothing is worse; 1 something is, by more than the tolerance; 2 they cannot be
    compared.
    """
    with loadtest_extra(_NotComparable):
        from atelier._loadtest.comparison import compare
        from atelier._loadtest.comparison_table import print_comparison
        from atelier._loadtest.report_file import read_report
    try:
        found = compare(read_report(before), read_report(after))
    except (ValueError, OSError) as error:
        raise _NotComparable(str(error)) from error
    except _MALFORMED as error:
        raise _NotComparable(f"{before} or {after} is no whole report: {error!r}") from error
    print_comparison(found, tolerance / 100, wide_console())
    return int(bool(found.worse(tolerance / 100)))


class _NotComparable(click.ClickException):
    """Nothing was compared; the exit code 1 would say that something is worse."""

    exit_code = 2


def _write(name: Path, kind: str, text: str) -> None:
    file = name.with_name(f"{name.name}.{kind}")
    write_whole(file, text.encode())
    click.echo(file)
