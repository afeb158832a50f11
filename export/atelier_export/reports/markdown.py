"""Tables and numbers as Markdown."""

from collections.abc import Iterable, Sequence


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def plural(number: int, noun: str) -> str:
    """A number with its noun: "1 image", "2 images"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
