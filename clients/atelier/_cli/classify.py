"""`atelier classify`."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import click
import grpc
from rich.table import Table
from rich.text import Text

from atelier._classify import Classification, Label
from atelier._cli.command import Command
from atelier._cli.console import wide_console
from atelier._cli.options import RETRIES, server_options
from atelier._client import Client
from atelier._errors import AtelierError, InvalidRequest


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
    try:
        with Client(url, timeout=timeout, retries=RETRIES) as art:
            for file, classification in _classified(art, files, top):
                found.append((file, classification))
                if as_json:
                    click.echo(json.dumps({"file": str(file), **asdict(classification)}))
    finally:
        if found and not as_json:
            wide_console().print(_table(found))
    return 0 if len(found) == len(files) else 1


def _classified(
    art: Client, files: Sequence[Path], top: int
) -> Iterator[tuple[Path, Classification]]:
    """What the files show, in their order, without those that cannot be classified."""
    for file in files:
        try:
            yield file, art.classify(file, top)
        except InvalidRequest as error:
            if error.code is grpc.StatusCode.NOT_FOUND:  # The model, not the file.
                raise
            _complain(file, str(error))
        except AtelierError:  # Some are OSErrors as well.
            raise
        except OSError as error:
            _complain(file, error.strerror)


def _complain(file: Path, reason: str | None) -> None:
    click.echo(f"Error: {click.format_filename(file)}: {reason}", err=True)


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
