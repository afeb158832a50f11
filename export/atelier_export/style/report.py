"""The figures of an evaluation as Markdown, ready for a model card."""

from collections.abc import Iterable
from typing import Any

from atelier_export.reports.markdown import plural, table
from atelier_export.style.int8 import GATED, StyleQuality


def evaluation_tables(result: dict[str, Any]) -> dict[str, str]:
    """Tables of what `evaluate_style` returned, each with a caption."""
    tables = {"distances": _distances(result), "stability": _stability(result)}
    if result["iterations_to_match"]:
        tables["iterations_to_match"] = _iterations_to_match(result)
    return tables


def int8_table(quality: StyleQuality) -> str:
    """What 8 bits change, with a caption."""
    rows = [
        [style, *(f"{quality.change(style, measure):+.2%}" for measure in GATED),
         f"{quality.float32[style]['noise']:.2f}", f"{quality.int8[style]['noise']:.2f}"]
        for style in quality.float32
    ]  # fmt: skip
    return (
        f"Changes from float32 to 8 bits over {plural(quality.photographs, 'held-out photograph')} "
        f"of 256×256 pixels, and the differences under noise. Pixels differ by "
        f"{quality.mean_difference:.2f} levels of 255 on average, "
        f"{quality.largest_difference:.0f} at most.\n\n"
        + table(
            ["style", "content", "style distance", "moved", "noise, float32", "noise, 8 bits"], rows
        )
    )


def _distances(result: dict[str, Any]) -> str:
    settings = result["settings"]
    rows = [
        [name, *(f"{means[term]:.3f}" for term in ("content", "style", "variation", "loss")),
         f"{means['photograph_style']:.3f}"]
        for name, means in _with_all(result["distances"])
    ]  # fmt: skip
    photographs = plural(len(result["data"]["photographs"]), "held-out photograph")
    return (
        f"Mean distances over {photographs}, the middle {settings['side']}×{settings['side']} "
        f"pixels of each; the sum is {settings['content_weight']:g} × content + "
        f"{settings['style_weight']:g} × style + {settings['variation_weight']:g} × variation.\n\n"
        + table(
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


def _iterations_to_match(result: dict[str, Any]) -> str:
    settings, counted = result["settings"], result["iterations_to_match"]
    limit = settings["iterations"]
    photographs = len({row["photograph"] for start in counted.values() for row in start["images"]})
    names = [name for name, _ in _with_all(next(iter(counted.values())))]
    rows = [
        [name, *(_count({**start["styles"], "all": start["all"]}[name], limit)
                 for start in counted.values())]
        for name in names
    ]  # fmt: skip
    text = (
        f"L-BFGS iterations of `atelier paint` to the network's sum, median over "
        f"{plural(photographs, 'photograph')} a style.\n\n"
        + table(["style", *(f"from {_start(start)}" for start in counted)], rows)
    )
    if any(row["iterations"] is None for start in counted.values() for row in start["images"]):
        text += (
            f"\n\n>{limit}: the network's sum was not reached within {limit} iterations; in the "
            "medians it counts as more than any number."
        )
    curve = [
        [str(points[0]["iteration"]),
         *(f"{point[term]:.3f}" for point in points for term in ("content", "style", "loss"))]
        for points in zip(*(start["curve"] for start in counted.values()), strict=True)
    ]  # fmt: skip
    headings = [
        f"{term}, from {_start(start)}"
        for start in counted
        for term in ("content", "style distance", "sum")
    ]
    return f"{text}\n\nMeans of the same optimisations by iteration.\n\n" + table(
        ["iterations", *headings], curve
    )


def _stability(result: dict[str, Any]) -> str:
    stability, settings = result["stability"], result["settings"]
    rows = [
        [name, f"{means['moved']:.2f}", f"{means['noise']:.2f}"]
        for name, means in [*_with_all(stability), ("the photographs", stability["photographs"])]
    ]
    return (
        "Mean absolute differences of the painting, in levels of 255, when the photograph moves "
        f"down and right by a pixel (aligned, without {settings['border']} pixels at the edge) and "
        f"when its values change by noise of ±{settings['noise']}.\n\n"
        + table(["style", "moved", "noise"], rows)
    )


def _with_all(summary: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    return [*summary["styles"].items(), ("all", summary["all"])]


def _start(start: str) -> str:
    return "the photograph" if start == "photograph" else start


def _count(median: float | None, limit: int) -> str:
    return f">{limit}" if median is None else f"{median:g}"
