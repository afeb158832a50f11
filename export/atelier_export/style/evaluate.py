"""How good the published style network is, in numbers.

Three questions, asked on photographs that no training saw:

- What does the loss that it was trained on say? (`style_distances`)
- How many iterations of the slow optimisation come to the same loss? (`style_worth`)
- How calm does it stay under changes that the eye does not see? (`style_calm`)
"""

import logging
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import torch

from atelier_export.losses import perceptual_loss_of
from atelier_export.manifest import sha256
from atelier_export.onnx_runtime import RUNTIME
from atelier_export.pictures import find_paintings
from atelier_export.style.calm import NOISE
from atelier_export.style.curves import CurveFile
from atelier_export.style.held_out import HeldOut, held_out_photographs
from atelier_export.style.measure_calm import BORDER, measure_calm, summarise_calm
from atelier_export.style.measure_distances import measure_distances, summarise_distances
from atelier_export.style.paint import LossWeights, PaintSettings, Precision, Start
from atelier_export.style.published import PublishedStyle
from atelier_export.style.worth import optimise, summarise_worth

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EvaluationSettings:
    """How to evaluate; each has an effect on the figures.

    Attributes:
        side: Side of the photographs' middle that is looked at, in pixels.
        every: Every so manieth photograph by name is evaluated on, as `StyleTraining.held_out`.
        style_side: Shorter side of the paintings in pixels.
        weights: Of the terms of the loss.
        iterations: Of the slow optimisation.
        optimisation_photographs: How many photographs, evenly spread by name, are optimised in
            every style; 0 leaves the comparison out.
        starts: What the optimisation begins with.
        precision: Of the optimisation's convolutions.
        seed: Seed of all noise.
    """

    side: int = 256
    every: int = 20
    style_side: int = 384
    weights: LossWeights = field(default_factory=LossWeights)
    iterations: int = 100
    optimisation_photographs: int = 2
    starts: tuple[Start, ...] = ("noise", "photograph")
    precision: Precision = "bfloat16"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuses what cannot be measured; raises ValueError."""
        if self.side < 3 * BORDER:
            raise ValueError(f"the side must be {3 * BORDER} pixels or more, not {self.side}")


def evaluate_style(
    repository: Path,
    photographs: Path,
    paintings: Path,
    vgg: Path,
    curves: Path,
    settings: EvaluationSettings,
    styles: Sequence[str] = (),
) -> dict[str, Any]:
    """Measures the newest version of the model `style`, as ONNX Runtime runs it.

    Args:
        repository: The model repository.
        photographs: Folder or uncompressed tar archive of photographs.
        paintings: Folder with a picture for every style, named like it.
        vgg: Weights of the loss network, see `VGG19.load`.
        curves: File in which curves of the optimisation are kept, see `CurveFile`. They do not
            depend on the network, so they serve the next evaluation too.
        settings: How to evaluate.
        styles: Names of the styles to evaluate; without any, all that the network has.

    Returns:
        Plain JSON: what was measured, with which settings, on what and with which versions.

    Raises:
        OSError: A file cannot be read, or `curves` not be written.
        ValueError: An input cannot be used.
    """
    network = PublishedStyle(repository)
    styles = tuple(styles) or network.styles
    unknown = [style for style in styles if style not in network.styles]
    if unknown:
        raise ValueError(
            f"the network has no style {', '.join(unknown)}; it has {', '.join(network.styles)}"
        )
    files = find_paintings(paintings, styles)
    held_out = held_out_photographs(photographs, settings.every, settings.side)
    kept = CurveFile(curves)
    perceptual_loss = perceptual_loss_of(files.values(), vgg, settings.style_side)
    identity = {
        "vgg": sha256(vgg.read_bytes()),
        "paintings": {style: sha256(file.read_bytes()) for style, file in files.items()},
        "style_side": settings.style_side,
    }
    _log.info("version %d, %d styles, %d photographs", network.version, len(styles), len(held_out))

    distances = measure_distances(
        network.paint, perceptual_loss, held_out, styles, settings.weights
    )
    calm = {
        style: measure_calm(partial(network.paint, style=style), held_out, settings.seed)
        for style in styles
    }
    unpainted = measure_calm(lambda pixels: pixels, held_out, settings.seed)
    optimisations = optimise(
        perceptual_loss,
        _spread(held_out, settings.optimisation_photographs),
        styles,
        settings.starts,
        PaintSettings(
            weights=settings.weights,
            iterations=settings.iterations,
            precision=settings.precision,
            seed=settings.seed,
        ),
        kept,
        identity,
    )
    return {
        "settings": {**asdict(settings), "border": BORDER, "noise": NOISE},
        "model": {"version": network.version, "sha256": network.sha256, "styles": network.styles},
        "data": {**identity, "photographs": {each.name: each.sha256 for each in held_out}},
        "versions": _versions(),
        "distances": summarise_distances(distances),
        "worth": summarise_worth(optimisations, distances, settings.iterations),
        "calm": summarise_calm(calm, unpainted),
    }


def _spread(photographs: Sequence[HeldOut], count: int) -> list[HeldOut]:
    """So many of the photographs, evenly spread; all of them where there are no more."""
    count = min(count, len(photographs))
    return [
        photographs[(2 * place + 1) * len(photographs) // (2 * count)] for place in range(count)
    ]


def _versions() -> dict[str, str]:
    return {
        "atelier": installed_version("atelier"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "onnxruntime": RUNTIME,
        "numpy": np.__version__,
        "pillow": PIL.__version__,
    }
