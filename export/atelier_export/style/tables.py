"""The figures of an evaluation as Markdown, ready for a model card."""

from collections.abc import Iterable, Sequence
from typing import Any


def evaluation_tables(result: dict[str, Any]) -> str:
    """Tables of what `evaluate_style` returned, with a line before each that says what it shows."""
    parts = [_distances(result), _calm(result)]
    if result["worth"]:
        parts.insert(1, _worth(result))
    return "\n\n".join(parts)


def _distances(result: dict[str, Any]) -> str:
    settings, weights = result["settings"], result["settings"]["weights"]
    rows = [
        [name, *(f"{means[term]:.3f}" for term in ("content", "style", "variation", "loss")),
         f"{means['photograph_style']:.3f}"]
        for name, means in _with_all(result["distances"])
    ]  # fmt: skip
    photographs = _plural(len(result["data"]["photographs"]), "held-out photograph")
    return (
        f"Mean distances over {photographs}, the middle {settings['side']}×{settings['side']} "
        f"pixels of each; the sum is {weights['content']:g} × content + {weights['style']:g} × "
        f"style + {weights['variation']:g} × variation.\n\n"
        + _table(
            [
                "style",
                "content",
                "style distance",
                "variation",
                "sum",
                "photograph's style distance",
            ],
            rows,
        )
    )


def _worth(result: dict[str, Any]) -> str:
    settings, worth = result["settings"], result["worth"]
    limit = settings["iterations"]
    photographs = len({row["photograph"] for start in worth.values() for row in start["pictures"]})
    names = [name for name, _ in _with_all(next(iter(worth.values())))]
    rows = [
        [name, *(_count({**start["styles"], "all": start["all"]}[name], limit)
                 for start in worth.values())]
        for name in names
    ]  # fmt: skip
    text = (
        f"L-BFGS iterations of `atelier paint` to the network's sum, median over "
        f"{_plural(photographs, 'photograph')} a style.\n\n"
        + _table(["style", *(f"from {_start(start)}" for start in worth)], rows)
    )
    if any(row["iterations"] is None for start in worth.values() for row in start["pictures"]):
        text += (
            f"\n\n>{limit}: the network's sum was not reached within {limit} iterations; in the "
            "medians it counts as more than any number."
        )
    curve = [
        [str(points[0]["iteration"]),
         *(f"{point[term]:.3f}" for point in points for term in ("content", "style", "loss"))]
        for points in zip(*(start["curve"] for start in worth.values()), strict=True)
    ]  # fmt: skip
    headings = [
        f"{term}, from {_start(start)}"
        for start in worth
        for term in ("content", "style distance", "sum")
    ]
    return f"{text}\n\nThe same optimisation's means on its way.\n\n" + _table(
        ["iterations", *headings], curve
    )


def _calm(result: dict[str, Any]) -> str:
    calm, settings = result["calm"], result["settings"]
    rows = [
        [name, f"{means['moved']:.2f}", f"{means['noise']:.2f}"]
        for name, means in [*_with_all(calm), ("the photographs", calm["photographs"])]
    ]
    return (
        "Mean absolute differences of the painting, in levels of 255, when the photograph moves "
        "down and right by a pixel (compared where it has moved to, without "
        f"{settings['border']} pixels at the edge) and when its values change by noise of "
        f"±{settings['noise']}.\n\n" + _table(["style", "moved", "noise"], rows)
    )


def _with_all(summary: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    return [*summary["styles"].items(), ("all", summary["all"])]


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _start(start: str) -> str:
    return "the photograph" if start == "photograph" else start


def _count(median: float | None, limit: int) -> str:
    return f">{limit}" if median is None else f"{median:g}"


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
