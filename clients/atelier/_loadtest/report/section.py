"""A part of the report."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from atelier._loadtest.latencies import QUANTILES
from atelier._loadtest.report.markup import Markup, element, joined
from atelier._loadtest.terminal import bounds_text, milliseconds

Report: TypeAlias = Mapping[str, Any]
"""What the JSON file has in it."""

STYLES = {name: name.replace(".", "-") for name in QUANTILES}
"""The class of each percentile's colour, dashes and marks."""


@dataclass(frozen=True)
class Section:
    """A heading and what is below it.

    Attributes:
        name: Where links go to.
        title: The heading.
        body: What is below it.
    """

    name: str
    title: str
    body: Markup


def tick_of_time(seconds: float) -> str:
    """A time beside an axis: 5 ms, 200 ms, 1 s."""
    return f"{seconds * 1e3:g} ms" if seconds < 0.9995 else f"{seconds:g} s"


def tick_of_number(value: float) -> str:
    """A number beside an axis: 0.5, 20, 1,000."""
    return f"{value:,.6g}"


def rate_text(rate: float) -> str:
    """Requests a second in three or four digits."""
    return f"{rate:,.4g}" if rate < 1e4 else f"{rate:,.0f}"


def percentile_cell(entry: dict[str, Any]) -> Markup:
    """A percentile and its bounds, or a dash and, to those who point there, why there is none."""
    if "refused" in entry:
        return element("span", "–", title=entry["refused"])
    return joined((milliseconds(entry["seconds"]), element("small", bounds_text(entry))))
