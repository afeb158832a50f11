"""How calm a network is: what becomes of changes that the eye does not see.

A film moves by fractions of a pixel and carries noise; a network that answers either with other
strokes makes it flicker. No film is needed to measure that.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np

from atelier_export.held_out import HeldOut
from atelier_export.published_style import Pixels

BORDER = 16
"""Pixels at the edge that are not compared: there, the moved photograph shows something else."""
NOISE = 2
"""Largest change of a value by the noise, of 255."""


@dataclass(frozen=True)
class Calm:
    """Mean absolute differences of a painting, in levels of 255.

    Attributes:
        moved: From the painting of the photograph moved down and right by a pixel, moved back.
        noise: From the painting of the photograph with noise.
    """

    moved: float
    noise: float


def measure_calm(
    network: Callable[[Pixels], Pixels], photographs: Sequence[HeldOut], seed: int
) -> list[Calm]:
    """Measures every photograph.

    Args:
        network: Repaints a picture. With one that changes nothing, the changes of the photographs
            themselves are measured.
        photographs: What is repainted; larger than twice the border.
        seed: Of the noise, which is another for each photograph.
    """
    measured = []
    for number, photograph in enumerate(photographs):
        before = photograph.pixels
        moved = np.pad(before, ((1, 0), (1, 0), (0, 0)), mode="edge")[:-1, :-1]
        random = np.random.default_rng((seed, number))
        noise = random.integers(-NOISE, NOISE, before.shape, endpoint=True)
        noisy = np.clip(before + noise, 0, 255).astype(np.uint8)
        painted = network(before)
        painted_moved = network(np.ascontiguousarray(moved))
        measured.append(
            Calm(
                _difference(
                    painted[BORDER : -BORDER - 1, BORDER : -BORDER - 1],
                    painted_moved[BORDER + 1 : -BORDER, BORDER + 1 : -BORDER],
                ),
                _difference(painted, network(noisy)),
            )
        )
    return measured


def _difference(first: Pixels, second: Pixels) -> float:
    return float(np.abs(first.astype(np.int16) - second.astype(np.int16)).mean())


def summarise_calm(
    styles: Mapping[str, Sequence[Calm]], unpainted: Sequence[Calm]
) -> dict[str, Any]:
    """Means for each style, over all, and of the photographs themselves."""
    return {
        "styles": {style: _means(measured) for style, measured in styles.items()},
        "all": _means([each for measured in styles.values() for each in measured]),
        "photographs": _means(unpainted),
    }


def _means(measured: Sequence[Calm]) -> dict[str, float]:
    return {
        "moved": fmean(each.moved for each in measured),
        "noise": fmean(each.noise for each in measured),
    }
