"""The figures of a classifier's evaluation as Markdown, ready for a model card."""

from typing import Any

from atelier_export.classifier.int8 import ClassifierQuality
from atelier_export.reports.markdown import plural, table

_ROWS = {
    "classifier": "classifier",
    "probe": "linear probe on VGG-19",
    "by_artist": "classifier, split by artist",
}


def evaluation_tables(result: dict[str, Any]) -> dict[str, str]:
    """Tables of what `evaluate_classifier` returned."""
    tables = {
        "accuracy": _accuracy(result),
        "movements": _movements(result["classifier"]),
        "cost": _cost(result["cost"]),
    }
    if "digits" in result:
        digits = result["digits"]
        tables["digits"] = (
            f"{_percent(digits['accuracy'])} of {digits['images']:,} test digits after "
            f"{digits['steps']:,} steps."
        )
    return tables


def int8_table(quality: ClassifierQuality) -> str:
    """What 8 bits change, with a caption."""
    rows = [
        [name, f"{shares['movement']:.2%}", f"{shares['era']:.2%}",
         f"{quality.milliseconds[key]:.1f} ms"]
        for name, key, shares in (
            ("float32", "float32", quality.float32), ("8 bits", "int8", quality.int8)
        )
    ]  # fmt: skip
    return (
        f"Recognised of {plural(quality.paintings, 'test painting')}, and the time of one with one "
        f"thread. Both files give {quality.agreement:.1%} of the paintings the same movement; "
        f"probabilities differ by {quality.mean_difference:.4f} on average.\n\n"
        + table(["", "movement", "era", "one image"], rows)
    )


def _accuracy(result: dict[str, Any]) -> str:
    headings = [
        "", "test paintings", "movement", "era", "top 3", "balanced", "macro-F1",
        "calibration error",
    ]  # fmt: skip
    rows = []
    for key, name in _ROWS.items():
        if key in result:
            figures = result[key]
            rows.append(
                [
                    name,
                    f"{figures['images']:,}",
                    _percent(figures["accuracy"]),
                    _percent(figures["groups"]["accuracy"]),
                    _percent(figures["top_3_accuracy"]),
                    _percent(figures["balanced_accuracy"]),
                    f"{figures['macro_f1']:.1%}",
                    f"{figures['expected_calibration_error']:.3f}",
                ]
            )
    return table(headings, rows)


def _movements(figures: dict[str, Any]) -> str:
    rows = [
        [f"`{name}`", f"{each['images']:,}", _share(each["recall"]), _share(each["precision"])]
        for name, each in figures["classes"].items()
    ]
    return table(["movement", "test paintings", "recall", "precision"], rows)


def _cost(cost: dict[str, Any]) -> str:
    times = ", ".join(f"{value:.1f} ms at {size}" for size, value in cost["milliseconds"].items())
    return (
        f"{cost['multiply_adds'] / 1e9:.2f} GMAC at 128×128; one image in ONNX Runtime with one "
        f"thread, the resizing included: {times}."
    )


def _percent(share: dict[str, float]) -> str:
    return f"{share['value']:.1%} ± {share['standard_error']:.1%}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
