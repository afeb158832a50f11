"""How far a bulk run is: a bar on a terminal, lines elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from atelier._bulk.tally import Tally
from atelier._cli.console import repeatedly

_SECONDS_OF_THE_BAR: Final = 0.2
_SECONDS_OF_LINES: Final = 10.0


@contextmanager
def shown(tally: Tally) -> Iterator[None]:
    """Shows the counts on standard error for the block."""
    console = Console(stderr=True)
    if console.is_terminal:
        with _bar(console) as bar, repeatedly(_SECONDS_OF_THE_BAR, lambda: _update(bar, tally)):
            yield
    else:
        with repeatedly(_SECONDS_OF_LINES, lambda: click.echo(line_of(tally), err=True)):
            yield


def line_of(tally: Tally) -> str:
    """The counts in one line."""
    total = "" if tally.total is None else f" of {tally.total}"
    return (
        f"{tally.seen}{total}: {tally.computed + tally.copied} done, {tally.failed} failed, "
        f"{tally.skipped} skipped; {tally.per_second(tally.done):.1f} images/s, "
        f"{tally.per_second(tally.pixels / 1e6):.2f} megapixels/s{_left(tally)}"
    )


def _left(tally: Tally) -> str:
    if tally.total is None or not tally.done:
        return ""
    seconds = round((tally.total - tally.seen) * tally.seconds / tally.done)
    return f", {seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02} left"


def _bar(console: Console) -> Progress:
    return Progress(
        BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        TextColumn("{task.description}"), console=console,
    )  # fmt: skip


def _update(bar: Progress, tally: Tally) -> None:
    if not bar.tasks:
        bar.add_task("")
    description = (
        f"{tally.failed} failed, {tally.skipped} skipped, "
        f"{tally.per_second(tally.done):.1f} images/s, "
        f"{tally.per_second(tally.pixels / 1e6):.2f} MP/s"
    )
    bar.update(bar.tasks[0].id, total=tally.total, completed=tally.seen, description=description)
