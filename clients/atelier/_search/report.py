"""What a command writes of its searches: the best images, the curves, and the numbers."""

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

# `Figure`, unlike pyplot, has no global state and needs no display.
from matplotlib.figure import Figure
from PIL import Image

from atelier._search.search import Found

Results = Mapping[str, Sequence[Found]]
"""By optimizer: one search for each seed."""


def best_of(searches: Sequence[Found]) -> Found:
    """The search with the highest score, the first of equals."""
    return max(searches, key=lambda found: found.score)


def curve(results: Results, label: str) -> bytes:
    """A PNG of the best score found so far over the evaluations.

    A line is the median of an optimizer's seeds, the band around it reaches from the lowest to the
    highest.

    Args:
        results: As many evaluations in each search.
        label: Of the scores.
    """
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for name, searches in results.items():
        curves = np.stack([found.best_so_far for found in searches])
        evaluations = np.arange(1, curves.shape[1] + 1)
        (line,) = axes.step(evaluations, np.median(curves, axis=0), where="post", label=name)
        if len(curves) > 1:
            low, high = curves.min(axis=0), curves.max(axis=0)
            axes.fill_between(
                evaluations, low, high, step="post", alpha=0.2, color=line.get_color(), linewidth=0
            )
    axes.set(xlabel="evaluations", ylabel=f"best so far: {label}")
    axes.grid(alpha=0.3)
    axes.legend()
    return _png(figure)


def result(results: Results, seeds: Sequence[int], settings: Mapping[str, Any]) -> bytes:
    """JSON with all that is needed to search again, or to paint the best images again.

    Args:
        results: By optimizer, a search for each seed.
        seeds: In their order.
        settings: As JSON can hold them.
    """
    searches = [
        {
            "optimizer": name,
            "seed": seed,
            "score": found.score,
            "latent": found.latent.tolist(),
            "best_so_far": found.best_so_far.tolist(),
        }
        for name, each in results.items()
        for seed, found in zip(seeds, each, strict=True)
    ]
    text = json.dumps({"settings": dict(settings), "searches": searches}, indent=1)
    return f"{text}\n".encode()


def png(image: Image.Image) -> bytes:
    """The image as a PNG file."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()
