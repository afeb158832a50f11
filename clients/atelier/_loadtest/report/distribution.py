"""How the latencies are distributed, and what the client's own lateness has to do with it."""

import math
from collections import Counter
from typing import Any, Final

from atelier._loadtest.latencies import QUANTILES, Latencies, merged
from atelier._loadtest.report.markup import Markup, element, joined, table
from atelier._loadtest.report.plot import NARROW, WIDE, Plot, in_both_widths
from atelier._loadtest.report.scale import from_zero, logarithmic
from atelier._loadtest.report.section import (
    Report,
    Section,
    percentile_cell,
    tick_of_number,
    tick_of_time,
)
from atelier._loadtest.terminal import milliseconds, percentile_text, value_text

_BARS_A_DECADE: Final = {WIDE: 40, NARROW: 20}


def distribution(report: Report) -> Section | None:
    """The histogram of all latencies and the percentiles of the run."""
    run = report["run"]
    if run is None:
        return None
    whole = latencies_of(run["intervals"])
    chart = None
    if whole.answered:
        chart = joined(
            (
                element("p", "How many requests had which latency, from the planned moment."),
                in_both_widths(lambda width: _histogram(whole, run, width)),
            )
        )
    percentiles = table(
        ["", "latency from the planned moment", "from the sending", "client late by"],
        [
            *(
                [
                    name,
                    percentile_text(run["latency"][name]),
                    value_text(run["service"][name]),
                    value_text(run["lateness"][name]),
                ]
                for name in QUANTILES
            ),
            [
                "longest",
                *(milliseconds(run[key]["longest"]) for key in ("latency", "service", "lateness")),
            ],
        ],
    )
    remark = element(
        "p", "In brackets: between which values the percentile lies, 99 % sure on each side if "
        "requests were independent of each other. A failed request counts as later than all "
        "others.",
    )  # fmt: skip
    return Section("histogram", "Latency", joined((chart, percentiles, remark, _by_model(run))))


def latencies_of(intervals: list[dict[str, Any]]) -> Latencies:
    """The latencies of some intervals of a run, in one histogram."""
    return merged(
        Latencies.decoded(each["latencies"], sum(each["failures"].values())) for each in intervals
    )


def _histogram(whole: Latencies, run: dict[str, Any], width: int) -> Markup:
    per_decade = _BARS_A_DECADE[width]
    bars: Counter[int] = Counter()
    for start, end, count in whole.buckets():
        bars[math.floor(math.log10((start + end) / 2) * per_decade)] += count
    edges = {number: 10 ** (number / per_decade) for each in bars for number in (each, each + 1)}
    plot = Plot(width, 260, logarithmic(edges.values()), from_zero(bars.values()))
    plot.axes(tick_of_time, tick_of_number, "latency (logarithmic)")
    for number, count in sorted(bars.items()):
        plot.bar(edges[number], edges[number + 1], 0, count, "count")
    for row, name in enumerate(QUANTILES):
        value = run["latency"][name].get("seconds")
        if isinstance(value, float):
            plot.upright(value, f"{name} {milliseconds(value)}", row)
    for number, count in sorted(bars.items()):
        start, end = edges[number], edges[number + 1]
        text = f"{milliseconds(start)} to {milliseconds(end)}: {count:,} requests"
        plot.hover(start, end, text)
    return plot.svg("Histogram of the latencies; the table has the percentiles.")


def _by_model(run: dict[str, Any]) -> Markup | None:
    if len(run["models"]) < 2:
        return None
    rows = [
        [
            model,
            f"{latency['requests']:,}",
            f"{latency['failed']:,}",
            *(percentile_cell(latency[name]) for name in QUANTILES),
        ]
        for model, latency in run["models"].items()
    ]
    heading = element("h3", "By model")
    return joined((heading, table(["model", "requests", "failed", *QUANTILES], rows)))
