"""A comparison in the terminal."""

import math

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from atelier._loadtest.comparison import Comparison, Difference, Unit
from atelier._loadtest.latencies import Percentile
from atelier._loadtest.terminal import milliseconds


def print_comparison(found: Comparison, tolerance: float, console: Console) -> None:
    """Prints every figure, what else changed, and the result in a sentence."""
    table = Table("", "before", "after", "change", "")
    for each in found.differences:
        before, after = (_with_bounds(value, each.unit) for value in (each.before, each.after))
        change = "" if each.change is None else f"{each.change:+.1%}"
        table.add_row(each.name, before, after, change, each.verdict(tolerance))
    console.print(table)
    for missing in found.not_compared:
        console.print(f"Not compared: {missing}.", highlight=False, soft_wrap=True)
    if found.changes:
        changes = Table("changed", "before", "after")
        for row in found.changes:
            changes.add_row(*map(escape, row))
        console.print(changes)
    console.print(sentence(found, tolerance), highlight=False, soft_wrap=True)


def sentence(found: Comparison, tolerance: float) -> str:
    """The result."""
    beyond = f"by more than the noise and {tolerance * 100:g} %"
    if not (worse := found.worse(tolerance)):
        return f"No figure is worse {beyond}."
    return f"Worse {beyond}: " + "; ".join(map(_from_to, worse)) + "."


def _from_to(each: Difference) -> str:
    before, after = (_text(part.value, each.unit) for part in (each.before, each.after))
    return f"{each.name}, {before} before and {after} after"


def _with_bounds(found: Percentile, unit: Unit) -> str:
    value, low, high = (_text(each, unit) for each in (found.value, found.low, found.high))
    return f"{value} ({low} to {high})"


def _text(value: float, unit: Unit) -> str:
    if math.isinf(value):
        return "failed" if unit == "seconds" else "unknown"
    match unit:
        case "seconds":
            return milliseconds(value)
        case "share":
            return f"{value:.3%}"
    return f"{value:.4g}/s"
