"""The page as a whole."""

from collections.abc import Callable
from importlib import resources
from typing import Final, TypeAlias

from atelier._loadtest.report.about import about
from atelier._loadtest.report.capacity import capacity
from atelier._loadtest.report.distribution import distribution
from atelier._loadtest.report.markup import Markup, element, joined
from atelier._loadtest.report.mlperf import mlperf
from atelier._loadtest.report.overview import overview, title
from atelier._loadtest.report.rates import rates
from atelier._loadtest.report.section import Report, Section
from atelier._loadtest.report.server import server
from atelier._loadtest.report.timeline import timeline

Part: TypeAlias = Callable[[Report], Section | None]

PARTS: Final[tuple[Part, ...]] = (
    overview, mlperf, capacity, rates, distribution, timeline, server, about,
)  # fmt: skip
"""What makes a section of a report, in the page's order; None where it has nothing to say."""

_HATCHINGS: Final = ("", "M0,8L8,0", "M0,0L8,8", "M4,0L4,8", "M0,4L8,4M4,0L4,8")
"""Over the colours of the kinds of errors, so that nobody needs to see colours."""


def page(report: Report) -> str:
    """The report as one HTML file: nothing in it is fetched, and nothing in it runs.

    Args:
        report: What the JSON file has in it.

    Raises:
        LookupError, TypeError, ValueError: It is not what `atelier loadtest` writes.
    """
    sections = [section for part in PARTS if (section := part(report)) is not None]
    name = title(report)
    style = (resources.files(__package__) / "page.css").read_text()
    head = element(
        "head",
        Markup('<meta charset="utf-8">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        # A browser asks for an icon of its own accord, unless the page has one.
        Markup('<link rel="icon" href="data:,">'),
        element("title", f"{name}: load test"),
        element("style", Markup(style)),
    )
    header = element("header", element("p", "Load test"), element("h1", name))
    main = element("main", header, *map(_shown, sections))
    return (
        f"<!doctype html>\n{element('html', head, element('body', _patterns(), main), lang='en')}\n"
    )


def _shown(section: Section) -> Markup:
    heading = element("h2", section.title) if section.title else None
    return element("section", heading, section.body, id=section.name)


def _patterns() -> Markup:
    """The fills of the kinds of errors, which all charts share."""
    patterns = [
        element(
            "pattern",
            element("rect", width=8, height=8, class_=f"base-{number}"),
            element("path", d=hatching, class_="hatching"),
            id=f"pattern-{number}", width=8, height=8, patternUnits="userSpaceOnUse",
        )
        for number, hatching in enumerate(_HATCHINGS)
    ]  # fmt: skip
    return element(
        "svg", element("defs", joined(patterns)), width=0, height=0, class_="patterns",
        aria_hidden="true",
    )  # fmt: skip
