"""HTML and SVG as text, in which everything that comes from outside is escaped."""

from collections.abc import Iterable
from html import escape


class Markup(str):
    """HTML or SVG that is ready; any other string is text, and is escaped."""

    __slots__ = ()


def element(name: str, *children: object, **attributes: object) -> Markup:
    """An element with its children in it.

    Args:
        name: Such as `td`.
        children: `Markup`, or text; None is left out.
        attributes: `class_` stands for class, `stroke_width` for stroke-width; None is left out.
    """
    pairs = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{pairs}>{joined(children)}</{name}>")


def joined(children: Iterable[object]) -> Markup:
    """Children one after another."""
    return Markup(
        "".join(
            child if isinstance(child, Markup) else escape(str(child))
            for child in children
            if child is not None
        )
    )


def table(headings: Iterable[object], rows: Iterable[Iterable[object]]) -> Markup:
    """A table whose first column names the rows. It scrolls where the screen is too narrow."""
    head = element("tr", *(element("th", each, scope="col") for each in headings))
    body = [
        element("tr", element("th", first, scope="row"), *(element("td", each) for each in rest))
        for first, *rest in rows
    ]
    whole = element("table", element("thead", head), element("tbody", *body))
    return element("div", whole, class_="scroll", tabindex=0)


def folded(title: str, content: Markup) -> Markup:
    """Something long, which opens with a click."""
    return element("details", element("summary", title), content)
