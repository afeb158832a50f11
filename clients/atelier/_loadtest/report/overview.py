"""What somebody reads who reads one screen only."""

from typing import Any

from atelier._loadtest.latencies import QUANTILES
from atelier._loadtest.report.markup import Markup, element, joined
from atelier._loadtest.report.section import Report, Section, rate_text
from atelier._loadtest.terminal import bounds_text, milliseconds, sentences

_WAYS = {
    "mlperf": "by MLPerf's scenario {}",
    "rate": "at {:g} requests/s",
    "ramp": "from {} requests/s",
    "steps": "in steps of {} requests/s",
    "trace": "with the arrivals of {}",
    "callers": "with {} callers in a closed loop",
    "slo": "capacity for {}",
}


def title(report: Report) -> str:
    """What was asked for, in a line."""
    settings = report["about"]["settings"]
    given = {
        **settings,
        "ramp": str(settings["ramp"] or "").replace(":", " to "),
        "steps": str(settings["steps"] or "").replace(",", ", "),
    }
    ways = [text.format(given[way]) for way, text in _WAYS.items() if given.get(way)]
    return " ".join([str(settings["model"]), *ways[:1]])


def overview(report: Report) -> Section | None:
    """The figures of the run, and what has to be known before they are believed."""
    run = report["run"]
    if run is None:
        return None
    asked, searched = rate_text(run["rate_asked"]), "capacity" in report
    rates = {point["rate"] for point in run["points"]}
    percentiles = _percentiles(run, several_rates=len(rates) > 1 and not searched)
    failed = sum(run["failures"].values())
    rate = _tile(
        "answered",
        f"{rate_text(run['rate_answered'])}/s",
        f"{asked}/s asked",
    )
    failures = _tile(
        "failed", f"{failed / run['planned']:.2%}" if failed else "none",
        f"{failed:,} of {run['planned']:,} requests",
    )  # fmt: skip
    pixels = _tile("pixels", f"{run['pixels_per_second'] / 1e6:.3g} MP/s", "megapixels answered")
    longest = _tile("longest", milliseconds(run["latency"]["longest"]), "of those answered")
    tiles = element("div", rate, *percentiles, longest, failures, pixels, class_="tiles")
    notes = sentences(run)
    if searched:
        notes.insert(0, f"These figures, and those over time, are of the trial at {asked}/s.")
    if report["about"]["settings"].get("callers"):
        notes.append(
            "A closed loop hides stalls: while the server does nothing, nothing is sent. Only an "
            "open loop (--rate) says what users who do not wait for each other would see."
        )
    return Section("overview", "", joined((tiles, *(_note(each) for each in notes))))


def _percentiles(run: dict[str, Any], *, several_rates: bool) -> list[Markup]:
    """The p50 and the highest percentile that the sample carries."""
    carried = [name for name in QUANTILES if "refused" not in run["latency"][name]]
    found = []
    for name in dict.fromkeys((*carried[:1], *carried[-1:])):
        entry = run["latency"][name]
        more = "over all rates" if several_rates else bounds_text(entry)
        found.append(_tile(name, milliseconds(entry["seconds"]), more))
    return found


def _tile(name: str, value: str, more: str) -> Markup:
    return element(
        "div", element("b", name), element("strong", value), element("small", more), class_="tile"
    )


def _note(text: str) -> Markup:
    return element("p", text, class_="note")
