"""The figures of a generator's evaluation as Markdown, ready for a model card."""

from collections.abc import Mapping
from typing import Any

from atelier_export.generator.int8 import GeneratorQuality
from atelier_export.reports.markdown import plural, table


def evaluation_tables(result: dict[str, Any]) -> dict[str, str]:
    """Tables of what `evaluate_generator` returned."""
    tables = {
        "distances": _distances(result),
        "movements": _movements(result["movements"]),
        "nearest": _nearest(result),
        "cost": f"One image in ONNX Runtime with one thread: {result['milliseconds']:.1f} ms.",
    }
    if "digits" in result:
        tables["digits"] = _digits(result["digits"])
    return tables


def int8_table(quality: GeneratorQuality) -> str:
    """What 8 bits change, with a caption."""
    rows = [
        [name, *_figures(figures), f"{quality.milliseconds[key]:.1f} ms"]
        for name, key, figures in (
            ("float32", "float32", quality.float32), ("8 bits", "int8", quality.int8)
        )
    ]  # fmt: skip
    return (
        f"Figures of {plural(quality.samples, 'sample')} of the same latents, and the time of one "
        f"with one thread. Pixels differ by {quality.mean_difference:.2f} levels of 255 on "
        f"average, {quality.largest_difference:.0f} at most.\n\n"
        + table(["", "Fréchet distance", "diversity", "recognised", "one image"], rows)
    )


def _distances(result: dict[str, Any]) -> str:
    rows = [["test paintings", *_figures(result["test"])]]
    rows += [
        [f"samples, truncation {truncation}", *_figures(each)]
        for truncation, each in result["samples"].items()
    ]
    return table(
        [
            f"{result['images']['test']:,} images each",
            "Fréchet distance",
            "diversity",
            "recognised",
        ],
        rows,
    )


def _figures(figures: Mapping[str, float | None]) -> list[str]:
    return [
        _number(figures["frechet_distance"], ".1f"),
        _number(figures["diversity"], ".1f"),
        _number(figures["recognised"], ".1%"),
    ]


def _movements(movements: dict[str, Any]) -> str:
    headings = ["movement", "images"]
    for figure in ("Fréchet distance", "diversity", "recognised"):
        headings += [f"{figure}, test", "samples"]
    rows = []
    for name, each in movements.items():
        pairs = zip(_figures(each["test"]), _figures(each["samples"]), strict=True)
        rows.append(
            [f"`{name}`", f"{each['images']:,}", *(cell for pair in pairs for cell in pair)]
        )
    return table(headings, rows)


def _nearest(result: dict[str, Any]) -> str:
    headings = ["distance to the nearest training painting"]
    headings += [f"{share:.0%} below" for share in result["quantiles"]]
    names = {"samples": "samples", "test": "test paintings"}
    return table(
        headings,
        [
            [f"{names[name]}, {space}", *(f"{each:.1f}" for each in quantiles)]
            for space, sets in result["nearest"].items()
            for name, quantiles in sets.items()
        ],
    )


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _digits(figures: dict[str, Any]) -> str:
    headings = ["", *(str(digit) for digit in range(len(figures["shares"])))]
    rows = [
        [name, *(f"{share:.1%}" for share in figures[key])]
        for name, key in (("asked for", "asked_shares"), ("labelled", "shares"))
    ]
    return (
        f"{figures['images']:,} samples after {plural(figures['steps'], 'step')}: "
        f"{figures['accuracy']:.1%} are labelled as the digit that was asked for, with a mean "
        f"confidence of {figures['confidence']:.1%}; Fréchet distance "
        f"{figures['frechet_distance']:.2f}, of test digits {figures['floor']:.2f}."
        f"\n\n{table(headings, rows)}"
    )
