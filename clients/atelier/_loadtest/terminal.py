"""A summary in the terminal."""

from typing import Any

from rich.console import Console
from rich.table import Table

from atelier._loadtest.latencies import QUANTILES


def milliseconds(seconds: float | str) -> str:
    """A time as it is read: 4.31 ms, 43.1 ms, 431 ms; what is no number stays as it is."""
    if isinstance(seconds, str):
        return seconds
    value = seconds * 1e3
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{digits}f} ms"


def percentile_text(entry: dict[str, Any]) -> str:
    """A percentile with its bounds, or why there is none."""
    if "refused" in entry:
        return f"({entry['refused']})"
    value, bounds = milliseconds(entry["seconds"]), bounds_text(entry)
    return f"{value} ({bounds})" if bounds else value


def bounds_text(entry: dict[str, Any]) -> str:
    """Between which values a percentile lies: 41.2 ms to 48.0 ms; "" where it failed for sure."""
    low, high = milliseconds(entry["low"]), milliseconds(entry["high"])
    return "" if low == "failed" else f"{low} to {high}"


def value_text(entry: dict[str, Any]) -> str:
    """A percentile alone, or a dash where there is none."""
    return "–" if "refused" in entry else milliseconds(entry["seconds"])


def print_run(run: dict[str, Any], console: Console) -> None:
    """Prints a run: rates, failures, percentiles, and what is to be said of it."""
    console.print(
        f"{run['planned']:,} requests planned in {run['seconds']:g} s "
        f"({run['rate_asked']:.4g}/s); {run['answered']:,} answered ({run['rate_answered']:.4g}/s)",
        highlight=False,
    )
    table = Table("", "from the planned moment", "client late by")
    for name in QUANTILES:
        late = value_text(run["lateness"][name])
        table.add_row(name, percentile_text(run["latency"][name]), late)
    longest = (milliseconds(run[key]["longest"]) for key in ("latency", "lateness"))
    table.add_row("longest", *longest)
    console.print(table)
    if len(run["models"]) > 1:
        models = Table("model", "requests", "failed", *QUANTILES)
        for model, latency in run["models"].items():
            texts = [value_text(latency[name]) for name in QUANTILES]
            models.add_row(model, str(latency["requests"]), str(latency["failed"]), *texts)
        console.print(models)
    for sentence in sentences(run):
        console.print(sentence, highlight=False, soft_wrap=True)


def sentences(run: dict[str, Any]) -> list[str]:
    """What somebody has to know before they believe the figures."""
    found = [
        f"{count:,} requests failed with {failure}; they count as later than all others."
        for failure, count in run["failures"].items()
    ]
    if run["interrupted"]:
        found.append("It was interrupted: these are the figures up to then.")
    if run["not_sent_or_not_done"] > 0:
        found.append(
            f"{run['not_sent_or_not_done']:,} requests of the plan were not sent or not finished."
        )
    if run["client_was_the_bottleneck"]:
        found.append(
            "The client, not the server, was the bottleneck: it sent "
            f"{milliseconds(run['lateness']['mean'])} late on average, with "
            f"{run['client_cores']:.2f} cores of its own. Give it more --processes or a machine of "
            "its own, or ask for a lower rate."
        )
    return found
