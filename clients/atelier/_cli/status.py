"""`atelier status`."""

import json
from dataclasses import asdict

import click
from rich.console import Console
from rich.table import Table

from atelier._cli.command import Command
from atelier._cli.console import wide_console
from atelier._cli.options import server_options
from atelier._client import Client
from atelier._status import ServerStatus


@click.command(cls=Command)
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for each server.")
@server_options
def status(as_json: bool, url: str, timeout: float) -> int:
    """Show each server's models, their versions, and what they have done so far.

    Waits and times are means per request since the version was loaded. An error that a Python model
    such as stylize answers counts as answered, as Triton counts it, and of a model with a queue of
    its own Triton knows no times; the metrics have both.

    Exit codes: 0 every server and every model is ready; 1 one is not.
    """
    whole = True
    for address in (each.strip() for each in url.split(",")):
        with Client(address, timeout=timeout) as art:
            found = art.status()
        whole = whole and found.ready and all(model.ready for model in found.models)
        if as_json:
            click.echo(json.dumps({"url": address, **asdict(found)}))
        else:
            _print(address, found, wide_console())
    return 0 if whole else 1


def _print(address: str, found: ServerStatus, console: Console) -> None:
    click.echo(f"{address}: {found.server}, {'ready' if found.ready else 'not ready'}")
    table = Table()
    for heading in ("model", "version", "state"):
        table.add_column(heading)
    for heading in ("answered", "failed", "wait, ms", "time, ms", "batch"):
        table.add_column(heading, justify="right")
    for model in found.models:
        table.add_row(
            model.name,
            model.version,
            "ready" if model.ready else "not ready",
            f"{model.answered:,}",
            f"{model.failed:,}",
            _milliseconds(model.queue_seconds),
            _milliseconds(model.compute_seconds),
            f"{model.batch:.1f}",
        )
    console.print(table)
    if found.styles:
        click.echo(f"styles: {', '.join(found.styles)}")


def _milliseconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1e3:.1f}"
