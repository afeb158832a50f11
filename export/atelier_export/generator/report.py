"""The figures of a generator's evaluation as Markdown, ready for a model card."""

from typing import Any

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


def _figures(figures: dict[str, float | None]) -> list[str]:
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
