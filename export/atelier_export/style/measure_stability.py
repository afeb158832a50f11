"""Measures temporal stability: the effect of imperceptible changes of a photograph on its painting.

A video moves by fractions of a pixel and has noise; a network that answers either with other
strokes makes it flicker. Measuring that needs no video.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor

from atelier_export.data.images import Pixels, inner
from atelier_export.style.held_out import HeldOut
from atelier_export.style.temporal_stability import NOISE, Move, stability_distance

BORDER = 16
"""Pixels at the edge that are not compared: there, the moved photograph shows something else."""


@dataclass(frozen=True)
class Stability:
    """Mean absolute differences of a painting, in levels of 255.

    Attributes:
        moved: From the painting of the photograph moved down and right by a pixel, moved back.
        noise: From the painting of the photograph with noise.
    """

    moved: float
    noise: float


def measure_stability(
    network: Callable[[Pixels], Pixels], photographs: Sequence[HeldOut], seed: int
) -> list[Stability]:
    """Measures every photograph.

    Args:
        network: Repaints an image. The identity gives the changes of the photographs themselves.
        photographs: The images to repaint; each side at least 2 · `BORDER` + 2 pixels.
        seed: Of the noise, which differs between photographs.
    """
    measured = []
    for number, photograph in enumerate(photographs):
        # Change
        before = photograph.pixels
        moved = np.pad(before, ((1, 0), (1, 0), (0, 0)), mode="edge")[:-1, :-1]
        random = np.random.default_rng((seed, number))
        noise = random.integers(-NOISE, NOISE, before.shape, endpoint=True)
        noisy = np.clip(before + noise, 0, 255).astype(np.uint8)

        # Paint
        painted = _levels(network(before))
        painted_moved = _levels(network(np.ascontiguousarray(moved)))
        painted_noisy = _levels(network(noisy))

        # Compare; what was moved down and right is the view at the upper left
        views = inner(painted_moved, BORDER), inner(painted, BORDER)
        measured.append(
            Stability(
                stability_distance(*views, Move(1, 1)).item(),
                stability_distance(painted, painted_noisy, Move(0, 0)).item(),
            )
        )
    return measured


def _levels(pixels: Pixels) -> Tensor:
    """(H, W, 3) as (1, 3, H, W), in float64 for exact sums."""
    return torch.from_numpy(pixels.astype(np.float64)).permute(2, 0, 1)[None]


def summarise_stability(
    styles: Mapping[str, Sequence[Stability]], unpainted: Sequence[Stability]
) -> dict[str, Any]:
    """Means for each style, over all, and of the photographs themselves."""
    return {
        "styles": {style: _means(measured) for style, measured in styles.items()},
        "all": _means([each for measured in styles.values() for each in measured]),
        "photographs": _means(unpainted),
    }


def _means(measured: Sequence[Stability]) -> dict[str, float]:
    return {
        "moved": fmean(each.moved for each in measured),
        "noise": fmean(each.noise for each in measured),
    }
