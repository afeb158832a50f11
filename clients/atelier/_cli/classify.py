"""`atelier classify`."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from atelier._classify import Classification, Label
from atelier._cli.command import Command
from atelier._cli.console import wide_console
from atelier._cli.each_image import EachImage
from atelier._cli.options import RETRIES, server_options
from atelier._client import Client


@click.command(cls=Command)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=3,
    metavar="NUMBER",
    show_default=True,
    help="How many movements to show of each image.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for each file.")
@server_options
def classify(files: Sequence[Path], top: int, as_json: bool, url: str, timeout: float) -> int:
    """Say which movement and era of painting the images in FILES belong to.

    A file that cannot be read or is refused is named on standard error, and the exit code is 1
    after the others.
    """
    found: list[tuple[Path, Classification]] = []
    each = EachImage(files)
    try:
        with Client(url, timeout=timeout, retries=RETRIES) as art:
            for file in files:
                with each.attempt(file):
                    classification = art.classify(file, top)
                    found.append((file, classification))
                    if as_json:
                        click.echo(json.dumps({"file": str(file), **asdict(classification)}))
    finally:
        if found and not as_json:
            wide_console().print(_table(found))
    return each.exit_code


def _table(found: Sequence[tuple[Path, Classification]]) -> Table:
    table = Table(show_lines=True)
    table.add_column("file", overflow="fold")
    for heading in ("movement", "era"):
        table.add_column(heading)
        table.add_column("%", justify="right")
    for file, classification in found:
        cells = (*_cells(classification.movements), *_cells(classification.eras))
        table.add_row(Text(click.format_filename(file)), *cells)
    return table


def _cells(labels: Sequence[Label]) -> tuple[Text, Text]:
    names = Text("\n".join(label.name for label in labels))
    return names, Text("\n".join(f"{label.probability:.1%}"[:-1] for label in labels))
