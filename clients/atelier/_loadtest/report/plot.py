"""Charts as SVG: each in two widths, of which the page shows the one that fits the screen."""

from collections.abc import Callable, Sequence
from typing import Final

from atelier._loadtest.report.markup import Markup, element, joined
from atelier._loadtest.report.scale import Scale

WIDE: Final = 900
NARROW: Final = 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 24, 10, 40
_PIXELS_OF_A_LABEL: Final = 62


def in_both_widths(draw: Callable[[int], Markup]) -> Markup:
    """A chart drawn for wide and for narrow screens; text is as large in both."""
    return joined(
        element("div", draw(width), class_=name)
        for width, name in ((WIDE, "wide"), (NARROW, "narrow"))
    )


class Plot:
    """A chart with an axis to the right and one upwards.

    Args:
        width: Of the whole chart, in pixels.
        height: The same.
        x: The axis to the right.
        y: The axis upwards.
    """

    def __init__(self, width: int, height: int, x: Scale, y: Scale) -> None:
        self.width, self.height, self.x, self.y = width, height, x, y
        self._drawn: list[Markup] = []

    def axes(
        self, x_text: Callable[[float], str], y_text: Callable[[float], str], x_title: str
    ) -> None:
        """Draws ticks, their values, and lines across at those of the upward axis."""
        bottom, right = self.height - _BOTTOM, self.width - _RIGHT
        for tick in self.y.ticks(6):
            at = self._up(tick)
            self._line(_LEFT, at, right, at, "grid")
            self._text(_LEFT - 8, at + 4, y_text(tick), "end")
        for tick in self.x.ticks((right - _LEFT) // _PIXELS_OF_A_LABEL):
            at = self._across(tick)
            self._line(at, bottom, at, bottom + 4, "axis")
            self._text(at, bottom + 17, x_text(tick), "middle")
        self._line(_LEFT, bottom, right, bottom, "axis")
        self._text((_LEFT + right) / 2, self.height - 4, x_title, "middle")

    def line(
        self, points: Sequence[tuple[float, float | None]], style: str, *, marks: bool = False
    ) -> None:
        """Draws a line through points; None interrupts it.

        Args:
            points: Values to the right and upwards.
            style: The class of its colour, its dashes and its marks; see `mark`.
            marks: Whether each point has a mark; a point alone has one in any case.
        """
        parts: list[list[tuple[float, float]]] = [[]]
        for right, up in points:
            if up is None:
                parts.append([])
            else:
                parts[-1].append((self._across(right), self._up(up)))
        for part in filter(None, parts):
            path = "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in part)
            self._drawn.append(element("path", d=path, class_=f"line {style}"))
            if marks or len(part) == 1:
                self._drawn += [mark(x, y, style) for x, y in part]

    def steps(self, points: Sequence[tuple[float, float, float]], style: str) -> None:
        """Draws a line that is level from one place to another: from, to, and how high."""
        corners = [(at, up) for start, end, up in points for at in (start, end)]
        self.line(corners, style)

    def span(self, right: float, low: float, high: float, style: str) -> None:
        """Draws the bounds of a value."""
        at, start, end = self._across(right), self._up(low), self._up(high)
        for y in (start, end):
            self._line(at - 3, y, at + 3, y, f"span {style}")
        self._line(at, start, at, end, f"span {style}")

    def failed(self, right: float, style: str) -> None:
        """Marks, at the upper edge, a value that is infinite."""
        self._drawn.append(mark(self._across(right), _TOP, f"{style} failed"))

    def bar(
        self, start: float, end: float, low: float, high: float, style: str, *, least: float = 1.5
    ) -> None:
        """Draws a bar from one place to another; what is not 0 is seen, however small it is."""
        left, right = self._across(start), self._across(end)
        bottom = self._up(low)
        height = max(bottom - self._up(high), least if high > low else 0.0)
        gap = 1.0 if right - left > 4 else 0.0
        self._drawn.append(
            element(
                "rect", x=f"{left:.1f}", y=f"{bottom - height:.1f}", height=f"{height:.1f}",
                width=f"{max(right - left - gap, 0.8):.1f}", class_=f"bar {style}",
            )
        )  # fmt: skip

    def upright(self, right: float, text: str, row: int) -> None:
        """Draws a line from the lower to the upper edge, with a name in one of several rows."""
        at = self._across(right)
        self._line(at, _TOP + 13 * row, at, self.height - _BOTTOM, "upright")
        anchor, aside = ("end", -4) if at > self.width * 0.7 else ("start", 4)
        self._text(at + aside, _TOP + 13 * row + 9, text, anchor, "name")

    def hover(self, start: float, end: float, text: str) -> None:
        """Says what is between two places, to those who point there."""
        left, right = self._across(start), self._across(end)
        self._drawn.append(
            element(
                "rect", element("title", text), x=f"{left:.1f}", y=_TOP, class_="hover",
                width=f"{max(right - left, 1):.1f}", height=self.height - _TOP - _BOTTOM,
            )
        )  # fmt: skip

    def svg(self, description: str) -> Markup:
        """The chart. `description` says in a sentence what it shows."""
        return element(
            "svg", *self._drawn, viewBox=f"0 0 {self.width} {self.height}", width=self.width,
            height=self.height, role="img", aria_label=description,
        )  # fmt: skip

    def _across(self, value: float) -> float:
        return _LEFT + (self.width - _LEFT - _RIGHT) * self.x.share(value)

    def _up(self, value: float) -> float:
        bottom = self.height - _BOTTOM
        return bottom - (bottom - _TOP) * self.y.share(value)

    def _line(self, x1: float, y1: float, x2: float, y2: float, style: str) -> None:
        ends = {"x1": x1, "y1": y1, "x2": x2, "y2": y2}
        texts = {name: f"{value:.1f}" for name, value in ends.items()}
        self._drawn.append(element("line", class_=style, **texts))

    def _text(self, x: float, y: float, text: str, anchor: str, style: str = "tick") -> None:
        self._drawn.append(
            element("text", text, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor, class_=style)
        )


def mark(x: float, y: float, style: str) -> Markup:
    """A mark whose shape belongs to its style, so that nobody needs to see colours."""
    shape = style.split()[0] if "failed" not in style else "failed"
    paths = {
        "p50": f"M{x - 3.5:.1f},{y:.1f}a3.5,3.5 0 1 0 7,0a3.5,3.5 0 1 0 -7,0Z",
        "p95": f"M{x - 3.5:.1f},{y - 3.5:.1f}h7v7h-7Z",
        "p99": f"M{x:.1f},{y - 4.5:.1f}l4.5,8h-9Z",
        "p99-9": f"M{x:.1f},{y - 5:.1f}l5,5l-5,5l-5,-5Z",
        "failed": f"M{x - 4:.1f},{y:.1f}l8,8m0,-8l-8,8",
    }
    path = paths.get(shape, paths["p50"])
    return element("path", d=path, class_=f"mark {style}")


def legend(entries: Sequence[tuple[str, str, str]]) -> Markup:
    """What is in a chart: for each entry its kind (line, marks or bar), its style and a text."""
    shown = []
    for kind, style, text in entries:
        if kind == "bar":
            sample = element("rect", x=4, y=1, width=20, height=12, class_=f"bar {style}")
        else:
            line = element("path", d="M1,7L27,7", class_=f"line {style}")
            sample = joined((line, mark(14, 7, style) if kind == "marks" else None))
        swatch = element(
            "svg", sample, viewBox="0 0 28 14", width=28, height=14, aria_hidden="true"
        )
        shown.append(element("span", swatch, " ", text))
    return element("p", *shown, class_="legend")
