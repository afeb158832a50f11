"""What a search for the capacity found."""

from typing import Any

from atelier._loadtest.capacity_summary import sentences
from atelier._loadtest.report.markup import Markup, element, joined, table
from atelier._loadtest.report.section import Report, Section, percentile_cell, rate_text


def capacity(report: Report) -> Section | None:
    """The result in words, and every trial; None where nothing was searched for."""
    found = report.get("capacity")
    if found is None:
        return None
    loops = [[each["callers"], f"{rate_text(each['rate'])}/s"] for each in found["throughputs"]]
    body = joined(
        (
            *(element("p", each) for each in sentences(found)),
            element("h3", f"Trials of {found['seconds']:g} s for {', '.join(found['objectives'])}"),
            _trials(found["trials"]),
            element(
                "p", "Requests that were late in one burst say less than as many that were late on "
                "their own: “worth” is how many independent requests say as much.",
            ),
            element("h3", "Closed loops with more and more callers"),
            table(["callers", "answered"], loops),
        )
    )  # fmt: skip
    return Section("capacity", "Capacity", body)


def _trials(trials: list[dict[str, Any]]) -> Markup:
    rows = [
        [
            f"{rate_text(trial['rate'])}/s",
            f"{trial['latency']['requests']:,}",
            *(
                ", ".join(f"{each[key]:,}" for each in trial["evidence"].values())
                for key in ("independent", "late")
            ),
            "not decided" if trial["verdict"] == "undecided" else trial["verdict"],
            "grew" if trial["queue_grew"] else "steady",
            *(percentile_cell(trial["latency"][name]) for name in ("p50", "p99")),
        ]
        for trial in sorted(trials, key=lambda trial: float(trial["rate"]))
    ]
    return table(["rate", "requests", "worth", "late", "objectives", "queue", "p50", "p99"], rows)
