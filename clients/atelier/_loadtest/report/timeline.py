"""The run from its first second to its last."""

import math
from collections import Counter
from itertools import accumulate
from typing import Any, Final, NamedTuple

from atelier._loadtest.latencies import QUANTILES
from atelier._loadtest.report.distribution import latencies_of
from atelier._loadtest.report.markup import Markup, element, folded, joined, table
from atelier._loadtest.report.plot import Plot, in_both_widths, legend
from atelier._loadtest.report.scale import Scale, from_zero, logarithmic
from atelier._loadtest.report.section import (
    STYLES,
    Report,
    Section,
    rate_text,
    tick_of_number,
    tick_of_time,
)
from atelier._loadtest.terminal import milliseconds

_KINDS: Final = 5
"""So many kinds of errors have a colour and a hatching of their own; the others share the last."""


class _Interval(NamedTuple):
    """An interval of the run.

    Attributes:
        start: In seconds from the run's start.
        end: The same.
        due: Requests a second.
        answered: The same.
        under_way: How many were due and neither answered nor failed at its end.
        percentiles: In seconds, of the requests due in it: infinite where too many failed, missing
            where they are too few.
        longest: The longest latency of those answered, in seconds; 0 where there is none.
        failures: How many failed, by what failed.
    """

    start: float
    end: float
    due: float
    answered: float
    under_way: int
    percentiles: dict[str, float]
    longest: float
    failures: dict[str, int]


def timeline(report: Report) -> Section | None:
    """Rates, latencies, requests under way and errors over time."""
    run = report["run"]
    if run is None:
        return None
    intervals, kinds = _intervals(run), list(run["failures"])
    # What only a busy second or two can carry would be dots without a line.
    carried = [
        name
        for name in QUANTILES
        if 2 * sum(name in each.percentiles for each in intervals) > len(intervals)
    ]
    some_failed = any(math.inf in each.percentiles.values() for each in intervals)
    failed = [("marks", "failed", "the percentile is a failure")] if some_failed else []
    body = joined(
        (
            element("h3", "Requests a second"),
            legend([("line", "due", "due"), ("line", "answered", "answered")]),
            in_both_widths(lambda width: _rates(intervals, width)),
            element("h3", "Latency of the requests that were due in each interval"),
            legend(
                [
                    *(("line", STYLES[name], name) for name in carried),
                    ("line", "longest", "longest of those answered"),
                    *failed,
                ]
            ),
            in_both_widths(lambda width: _latencies(intervals, carried, width)),
            element("h3", "Under way: due and neither answered nor failed"),
            in_both_widths(lambda width: _under_way(intervals, width)),
            *_failures(intervals, kinds),
            folded(
                f"Table of the {len(intervals)} intervals of {run['interval_seconds']:g} s",
                _table(intervals, carried, kinds),
            ),
        )
    )
    return Section("timeline", "The run over time", body)


def _intervals(run: dict[str, Any]) -> list[_Interval]:
    width, found = run["interval_seconds"], []
    due = [each["answered"] + sum(each["failures"].values()) for each in run["intervals"]]
    ended = accumulate(each["ended"] for each in run["intervals"])
    under_way = [came - went for came, went in zip(accumulate(due), ended, strict=True)]
    for number, each in enumerate(run["intervals"]):
        latencies = latencies_of([each])
        percentiles = {
            name: percentile.value
            for name, quantile in QUANTILES.items()
            if (percentile := latencies.percentile(quantile))
        }
        found.append(
            _Interval(
                number * width,
                (number + 1) * width,
                due[number] / width,
                each["done"] / width,
                under_way[number],
                percentiles,
                latencies.longest,
                each["failures"],
            )
        )
    return found


def _rates(intervals: list[_Interval], width: int) -> Markup:
    highest = [max(each.due, each.answered) for each in intervals]
    plot = _plot(intervals, width, 180, from_zero(highest))
    plot.axes(tick_of_number, tick_of_number, "seconds")
    plot.steps([(each.start, each.end, each.due) for each in intervals], "due")
    plot.steps([(each.start, each.end, each.answered) for each in intervals], "answered")
    for each in intervals:
        plot.hover(
            each.start, each.end,
            f"{_time(each)}: {rate_text(each.due)}/s due, {rate_text(each.answered)}/s answered",
        )  # fmt: skip
    return plot.svg("Requests a second that were due and that were answered, over time.")


def _latencies(intervals: list[_Interval], carried: list[str], width: int) -> Markup:
    lines: dict[str, list[tuple[float, float | None]]] = {
        STYLES[name]: [(_middle(each), _percentile(each, name)) for each in intervals]
        for name in carried
    }
    lines["longest"] = [(_middle(each), each.longest or None) for each in intervals]
    values = [value for line in lines.values() for _, value in line if value]
    plot = _plot(intervals, width, 240, logarithmic(values))
    plot.axes(tick_of_number, tick_of_time, "seconds")
    for style, line in lines.items():
        plot.line(line, style)
    for each in intervals:
        for name in carried:
            if each.percentiles.get(name) == math.inf:
                plot.failed(_middle(each), STYLES[name])
        texts = [f"{_time(each)}: longest {milliseconds(each.longest)}"]
        texts += [f"{name}: {_value_text(each, name)}" for name in carried]
        plot.hover(each.start, each.end, "\n".join(texts))
    return plot.svg("Latency percentiles over time.")


def _under_way(intervals: list[_Interval], width: int) -> Markup:
    plot = _plot(intervals, width, 150, from_zero(each.under_way for each in intervals))
    plot.axes(tick_of_number, tick_of_number, "seconds")
    for each in intervals:
        plot.bar(each.start, each.end, 0, each.under_way, "count")
        plot.hover(each.start, each.end, f"{_time(each)}: {each.under_way:,} under way at its end")
    return plot.svg("Requests under way at the end of each interval, over time.")


def _failures(intervals: list[_Interval], kinds: list[str]) -> tuple[Markup | None, ...]:
    heading = element("h3", "Failed, by what failed")
    if not kinds:
        return heading, element("p", "No request failed.")
    shown = legend([("bar", f"kind-{min(at, _KINDS - 1)}", kind) for at, kind in enumerate(kinds)])
    chart = in_both_widths(lambda width: _stacked_failures(intervals, kinds, width))
    return heading, shown, chart


def _stacked_failures(intervals: list[_Interval], kinds: list[str], width: int) -> Markup:
    most = from_zero(sum(each.failures.values()) for each in intervals)
    plot = _plot(intervals, width, 180, most)
    plot.axes(tick_of_number, tick_of_number, "seconds, by when they were due")
    for each in intervals:
        below = 0
        for at, kind in enumerate(kinds):
            count = each.failures.get(kind, 0)
            if count:
                style = f"kind-{min(at, _KINDS - 1)}"
                plot.bar(each.start, each.end, below, below + count, style)
            below += count
        counts = Counter(each.failures).most_common()
        text = ", ".join(f"{count:,} {kind}" for kind, count in counts) or "none failed"
        plot.hover(each.start, each.end, f"{_time(each)}: {text}")
    return plot.svg("Failed requests by kind, over time.")


def _table(intervals: list[_Interval], carried: list[str], kinds: list[str]) -> Markup:
    headings = ["from", "due", "answered", "under way", *carried, "longest", *kinds]
    rows = [
        [
            f"{each.start:g} s",
            f"{rate_text(each.due)}/s",
            f"{rate_text(each.answered)}/s",
            f"{each.under_way:,}",
            *(_value_text(each, name) for name in carried),
            milliseconds(each.longest) if each.longest else "–",
            *(f"{each.failures.get(kind, 0):,}" for kind in kinds),
        ]
        for each in intervals
    ]
    return table(headings, rows)


def _plot(intervals: list[_Interval], width: int, height: int, y: Scale) -> Plot:
    return Plot(width, height, Scale(0.0, intervals[-1].end if intervals else 1.0), y)


def _percentile(interval: _Interval, name: str) -> float | None:
    value = interval.percentiles.get(name, math.inf)
    return value if math.isfinite(value) else None


def _value_text(interval: _Interval, name: str) -> str:
    value = interval.percentiles.get(name)
    if value is None:
        return "–"
    return milliseconds(value) if math.isfinite(value) else "failed"


def _middle(interval: _Interval) -> float:
    return (interval.start + interval.end) / 2


def _time(interval: _Interval) -> str:
    return f"{interval.start:g} to {interval.end:g} s"
