"""How a load test goes while it runs: a bar and figures on a terminal, lines elsewhere."""

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click
from rich.console import Console, Group
from rich.live import Live as Display
from rich.progress_bar import ProgressBar
from rich.table import Table

from atelier._cli.console import repeatedly
from atelier._loadtest.live import Live
from atelier._loadtest.terminal import milliseconds

_SECONDS_OF_THE_BAR: Final = 0.5
"""Drawing takes some milliseconds, in which the client sends nothing."""
_SECONDS_OF_LINES: Final = 10.0


@contextmanager
def shown(live: Live) -> Iterator[None]:
    """Shows a run on standard error for the block."""
    console = Console(stderr=True)
    if not console.is_terminal:
        with repeatedly(_SECONDS_OF_LINES, lambda: _print_line(live)):
            yield
        return
    # What is printed meanwhile goes above the bar, unless it goes to a file.
    to_terminal = sys.stdout.isatty()
    with (
        Display(
            console=console, auto_refresh=False, transient=True, redirect_stdout=to_terminal
        ) as display,
        repeatedly(_SECONDS_OF_THE_BAR, lambda: display.update(drawn(live), refresh=True)),
    ):
        yield


def _print_line(live: Live) -> None:
    if live.begun:
        click.echo(line_of(live), err=True)


def line_of(live: Live) -> str:
    """A run in one line."""
    return f"{_time(live)}: {', '.join(figures(live))}"


def drawn(live: Live) -> Group:
    """A run as a bar, and its figures below; nothing before there is one."""
    if not live.begun:
        return Group()
    head = Table.grid(padding=(0, 1))
    head.add_row(ProgressBar(max(live.seconds, 1e-9), live.now, width=40), _time(live))
    return Group(head, ", ".join(figures(live)))


def figures(live: Live) -> list[str]:
    """Rates and latencies of the last seconds, what failed, and what is under way."""
    asked = live.asked
    found = [] if asked is None else [f"{asked:.1f}/s asked"]
    found.append(f"{live.answered:.1f}/s answered")
    found += [f"{name} {_latency(value)}" for name, value in live.latency().items()]
    found += [f"{count:,} {failure}" for failure, count in live.failures.copy().items()]
    return [*found, f"{live.under_way:,} under way"]


def _latency(seconds: float) -> str:
    return "failed" if math.isinf(seconds) else milliseconds(seconds)


def _time(live: Live) -> str:
    return f"{min(live.now, live.seconds):.0f} of {live.seconds:.0f} s"
