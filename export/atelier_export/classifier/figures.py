"""Figures of a classifier: accuracy, F1, calibration, confusion."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from atelier_export.classifier.serving import group_matrix

BINS = 15
"""Bins of the calibration error, as in Guo et al. 2017 (arXiv:1706.04599)."""


def classification_figures(
    probabilities: Tensor,
    labels: Tensor,
    classes: Sequence[str],
    groups: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any]:
    """Figures of a classifier; those that are shares come with their binomial standard errors.

    Args:
        probabilities: (n, K).
        labels: (n,) int64.
        classes: K names.
        groups: Groups of classes, by name, that together hold each class once.

    Returns:
        Of the classes, and of the groups under `groups`: the number of images, the accuracy, the
        mean of the classes' recalls (balanced accuracy), the mean of their F1 (macro-F1), the
        accuracy of the three likeliest, the expected calibration error, recall and precision of
        each class, and the confusion matrix, whose rows are the true classes. Classes without an
        image are left out of the means; a figure that is not defined is None.
    """
    result = _figures(probabilities, labels, classes)
    if groups:
        matrix = group_matrix(classes, groups)  # (K, G)
        result["groups"] = _figures(probabilities @ matrix, matrix[labels].argmax(1), list(groups))
    return result


def _figures(probabilities: Tensor, labels: Tensor, classes: Sequence[str]) -> dict[str, Any]:
    confusion = confusion_matrix(probabilities.argmax(dim=1), labels, len(classes))
    hits = confusion.diag().double()  # (K,)
    images, said = confusion.sum(dim=1), confusion.sum(dim=0)  # (K,) each
    recall, precision, f1 = hits / images, hits / said, 2 * hits / (images + said)
    present = images > 0
    errors = _standard_error(recall[present], images[present])
    top3 = (probabilities.topk(min(3, len(classes)), dim=1).indices == labels[:, None]).any(dim=1)
    return {
        "images": len(labels),
        "accuracy": _share(hits.sum() / len(labels), len(labels)),
        "balanced_accuracy": {
            "value": float(recall[present].mean()),
            "standard_error": float(errors.square().sum().sqrt() / present.sum()),
        },
        "macro_f1": float(f1[present].mean()),
        "top_3_accuracy": _share(top3.double().mean(), len(labels)),
        "expected_calibration_error": calibration_error(probabilities, labels),
        "classes": {
            name: {
                "images": int(images[place]),
                "recall": _number(recall[place]),
                "precision": _number(precision[place]),
            }
            for place, name in enumerate(classes)
        },
        "confusion": confusion.tolist(),
    }


def _standard_error(share: Tensor, count: Tensor | int) -> Tensor:
    return (share * (1 - share) / count).sqrt()


def _share(value: Tensor, count: int) -> dict[str, float]:
    return {"value": float(value), "standard_error": float(_standard_error(value, count))}


def _number(value: Tensor) -> float | None:
    number = float(value)
    return None if math.isnan(number) else number


def confusion_matrix(predicted: Tensor, labels: Tensor, classes: int) -> Tensor:
    """(K, K) int64: how many images of the row's class were taken for the column's."""
    pairs = torch.bincount(labels * classes + predicted, minlength=classes**2)
    return pairs.view(classes, classes)


def calibration_error(probabilities: Tensor, labels: Tensor) -> float:
    """Expected calibration error: mean distance of confidence and accuracy, in 0..1.

    The images are put into `BINS` bins of equal width by their highest probability; each bin
    counts by its images (Guo et al. 2017, eq. 3).
    """
    confidence, predicted = probabilities.double().max(dim=1)
    surplus = confidence - (predicted == labels).double()
    bins = (confidence * BINS).long().clamp_max(BINS - 1)
    total = torch.zeros(BINS, dtype=torch.float64).index_add(0, bins, surplus)
    return float(total.abs().sum() / len(labels))


def plot_confusion(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> Figure:
    """The confusion matrix, each row as shares of the images of a class."""
    counts = torch.tensor(confusion)
    shares = counts / counts.sum(dim=1, keepdim=True).clamp_min(1)
    figure = Figure(figsize=(1.5 + 0.7 * len(classes), 1 + 0.7 * len(classes)), layout="tight")
    axes = figure.subplots()
    axes.imshow(shares.numpy(), cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right")
    axes.set_yticks(range(len(classes)), classes)
    axes.set_xlabel("classified as")
    axes.set_ylabel("is")
    for row in range(len(classes)):
        for column in range(len(classes)):
            share = float(shares[row, column])
            color = "white" if share > 0.5 else "black"
            axes.text(column, row, f"{share:.0%}", ha="center", va="center", color=color)
    return figure
