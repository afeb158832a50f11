"""Latency against rate."""

import math
from itertools import pairwise
from typing import Any, Final

from atelier._loadtest.latencies import QUANTILES
from atelier._loadtest.report.markup import Markup, element, joined, table
from atelier._loadtest.report.plot import Plot, in_both_widths, legend
from atelier._loadtest.report.scale import from_zero, logarithmic
from atelier._loadtest.report.section import (
    STYLES,
    Report,
    Section,
    percentile_cell,
    rate_text,
    tick_of_number,
    tick_of_time,
)
from atelier._loadtest.terminal import milliseconds, value_text

_HELD: Final = 0.98
"""The share of what was due that a server answers meanwhile, if it holds the rate."""


def rates(report: Report) -> Section | None:
    """The percentiles at each rate of a run with steps or a ramp; None where there is one rate."""
    points = report["run"]["points"] if report["run"] else []
    if len({point["rate"] for point in points}) < 2:
        return None
    carried = [
        name
        for name in QUANTILES
        if any("refused" not in point["latency"][name] for point in points)
    ]
    body = joined(
        (
            element(
                "p", "Latency from the planned moment, with the bounds of each percentile. A cross "
                "at the upper edge: so many requests failed that the percentile is one of them. "
                "What so few requests cannot carry is missing.",
            ),
            legend([("marks", STYLES[name], name) for name in carried]),
            in_both_widths(lambda width: _latencies(points, width)),
            element("h3", "What was answered"),
            legend([("marks", "answered", "answered"), ("line", "asked", "asked")]),
            in_both_widths(lambda width: _answered(points, width)),
            _table(points),
        )
    )  # fmt: skip
    return Section("rates", "Latency against rate", body)


def _latencies(points: list[dict[str, Any]], width: int) -> Markup:
    entries = [
        (name, point["rate"], point["latency"][name]) for name in QUANTILES for point in points
    ]
    values = [
        value
        for _, _, entry in entries
        for value in (entry.get("low"), entry.get("seconds"), entry.get("high"))
        if isinstance(value, float)
    ]
    plot = Plot(width, 320, from_zero(_rates(points)), logarithmic(values))
    plot.axes(tick_of_number, tick_of_time, "requests/s asked")
    for name in QUANTILES:
        line: list[tuple[float, float | None]] = []
        for _, rate, entry in (each for each in entries if each[0] == name):
            value = entry.get("seconds")
            line.append((rate, value if isinstance(value, float) else None))
            if value == "failed":
                plot.failed(rate, STYLES[name])
            elif value is not None:
                plot.span(rate, entry["low"], _top(entry["high"]), STYLES[name])
        plot.line(line, STYLES[name], marks=True)
    _hovers(plot, points)
    return plot.svg("Latency percentiles against the rate of requests; the table has the values.")


def _answered(points: list[dict[str, Any]], width: int) -> Markup:
    answered = [point["answered"] for point in points]
    plot = Plot(width, 200, from_zero(_rates(points)), from_zero([*_rates(points), *answered]))
    plot.axes(tick_of_number, tick_of_number, "requests/s asked")
    most = max(_rates(points))
    plot.line([(0, 0), (most, most)], "asked")
    plot.line([(point["rate"], point["answered"]) for point in points], "answered", marks=True)
    _hovers(plot, points)
    return plot.svg("Answered requests a second against the rate that was asked.")


def _hovers(plot: Plot, points: list[dict[str, Any]]) -> None:
    """A strip for each point that reaches half-way to its neighbours."""
    ordered = sorted(points, key=lambda point: float(point["rate"]))
    edges = [(left["rate"] + right["rate"]) / 2 for left, right in pairwise(ordered)]
    for start, end, point in zip([-math.inf, *edges], [*edges, math.inf], ordered, strict=True):
        lines = [f"{rate_text(point['rate'])}/s asked, {rate_text(point['answered'])}/s answered"]
        lines += [f"{name}: {value_text(point['latency'][name])}" for name in QUANTILES]
        plot.hover(start, end, "\n".join(lines))


def _table(points: list[dict[str, Any]]) -> Markup:
    rows = []
    for point in points:
        latency = point["latency"]
        held = point["answered"] * point["seconds"] >= _HELD * latency["requests"]
        rows.append(
            [
                f"{rate_text(point['rate'])}/s",
                f"{rate_text(point['answered'])}/s" + ("" if held else " (behind)"),
                f"{latency['requests']:,}",
                f"{latency['failed']:,}",
                *(percentile_cell(latency[name]) for name in QUANTILES),
                milliseconds(latency["longest"]),
            ]
        )
    return table(["asked", "answered", "requests", "failed", *QUANTILES, "longest"], rows)


def _rates(points: list[dict[str, Any]]) -> list[float]:
    return [float(point["rate"]) for point in points]


def _top(bound: float | str) -> float:
    return bound if isinstance(bound, float) else math.inf
