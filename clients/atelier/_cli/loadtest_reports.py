"""What is done with the reports of load tests."""

import json
from pathlib import Path
from typing import Any

import click

from atelier._atomic_write import write_whole

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
    from atelier._loadtest.report.page import page
    from atelier._loadtest.report_file import read_report

    try:
        text = page(read_report(file))
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    except _MALFORMED as error:
        raise click.ClickException(f"{file} is no whole report: {error!r}") from error
    _write(file.with_suffix(""), "html", text)


def _write(name: Path, kind: str, text: str) -> None:
    file = name.with_name(f"{name.name}.{kind}")
    write_whole(file, text.encode())
    click.echo(file)
