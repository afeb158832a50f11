"""Where the server's own statistics say that the time went."""

from functools import partial
from typing import Any, Final

from atelier._loadtest.report.markup import Markup, element, joined, table
from atelier._loadtest.report.plot import NARROW, Plot, in_both_widths, legend
from atelier._loadtest.report.scale import Scale, from_zero
from atelier._loadtest.report.section import Report, Section, tick_of_number
from atelier._loadtest.terminal import milliseconds

_PARTS: Final = {
    "queue": "queue",
    "input": "compute_input",
    "compute": "compute_infer",
    "output": "compute_output",
}
"""The keys of the statistics by what they are called here."""
_ROW: Final = 46


def server(report: Report) -> Section:
    """The parts of the time by model, and the sizes of its batches."""
    timed = [(name, entry) for name, entry in report["server"].items() if _sum(entry) > 0]
    models = dict(sorted(timed, key=lambda each: -_sum(each[1])))
    if not models:
        text = "There are no statistics of the server: it did not answer at the end."
        return Section("server", "The server's own split", element("p", text))
    body = joined(
        (
            element(
                "p", "What a request took on average in each model, by the server's statistics of "
                "the whole run, warm-up and requests of others included. A model that calls others "
                "has their time in its own computation, unless it has a queue of its own as "
                "stylize has: then it is counted until it has taken the request.",
            ),
            legend([("bar", f"part-{part}", part) for part in _PARTS]),
            in_both_widths(lambda width: _split(models, width)),
            _table(models),
            element("h3", "Batch sizes"),
            *_batches(models),
        )
    )  # fmt: skip
    return Section("server", "The server's own split", body)


def _split(models: dict[str, Any], width: int) -> Markup:
    """A row for each model: its name, and below it a bar of its parts."""
    longest, height = max(map(_sum, models.values())), _ROW * len(models)
    drawn = []
    for row, (name, entry) in enumerate(models.items()):
        top, left = row * _ROW, 0.0
        text = f"{name}: {milliseconds(_sum(entry))}"
        drawn.append(element("text", text, x=0, y=top + 14, class_="row"))
        for part, key in _PARTS.items():
            length = entry[key] / longest * width
            title = element("title", f"{name}, {part}: {milliseconds(entry[key])}")
            drawn.append(
                element(
                    "rect", title, x=f"{left:.1f}", y=top + 20, height=18,
                    width=f"{max(length - 0.5, 0.8):.1f}", class_=f"bar part-{part}",
                )
            )  # fmt: skip
            left += length
    return element(
        "svg", *drawn, viewBox=f"0 0 {width} {height}", width=width, height=height, role="img",
        aria_label="Mean time in queue, input, compute and output by model; the table has it, too.",
    )  # fmt: skip


def _table(models: dict[str, Any]) -> Markup:
    rows = []
    for name, entry in models.items():
        parts = [milliseconds(entry[key]) for key in _PARTS.values()]
        rows.append([name, f"{entry['requests']:,}", *parts])
    return table(["model", "requests", *_PARTS], rows)


def _batches(models: dict[str, Any]) -> list[Markup]:
    found, single = [], []
    for name, entry in models.items():
        sizes = {int(size): count for size, count in entry["batches"].items()}
        if set(sizes) <= {1}:
            single.append(name)
            continue
        mean = sum(size * count for size, count in sizes.items()) / sum(sizes.values())
        found.append(element("h4", f"{name}: {mean:.2f} on average"))
        found.append(in_both_widths(partial(_sizes, sizes)))
        rows = [[size, f"{count:,}"] for size, count in sizes.items()]
        found.append(table(["batch size", "batches"], rows))
    if single:
        found.append(element("p", f"Every batch had one request: {', '.join(single)}."))
    return found


def _sizes(sizes: dict[int, int], width: int) -> Markup:
    plot = Plot(
        min(width, 2 * NARROW), 150, Scale(0.5, max(sizes) + 0.5), from_zero(sizes.values())
    )
    plot.axes(tick_of_number, tick_of_number, "requests in a batch")
    for size, count in sizes.items():
        plot.bar(size - 0.4, size + 0.4, 0, count, "count")
        plot.hover(size - 0.5, size + 0.5, f"{count:,} batches of {size}")
    return plot.svg("How many batches of each size there were.")


def _sum(entry: dict[str, Any]) -> float:
    return float(sum(entry[key] for key in _PARTS.values()))
