"""Evaluation of the published style network on held-out photographs.

- The distances of the loss that it was trained on (`perceptual_distances`)
- The iterations of the slow optimisation to the same loss (`iterations_to_match`)
- The temporal stability under imperceptible changes (`measure_stability`)
"""

import logging
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import torch

from atelier_export.data.images import find_paintings
from atelier_export.gatys.curve_file import CurveFile
from atelier_export.gatys.optimisation import PaintSettings, Precision, Start
from atelier_export.losses.perceptual import load_perceptual_loss
from atelier_export.losses.vgg import VGG_SETTING
from atelier_export.losses.weights import LossWeights
from atelier_export.onnx_graph.runtime import RUNTIME
from atelier_export.publishing.manifest import sha256
from atelier_export.reports.model_card import write_evaluation
from atelier_export.settings import Settings, setting
from atelier_export.style.held_out import HeldOut, held_out_images
from atelier_export.style.iterations_to_match import optimise, summarise_iterations
from atelier_export.style.measure_stability import BORDER, measure_stability, summarise_stability
from atelier_export.style.perceptual_distances import measure_distances, summarise_distances
from atelier_export.style.published import PublishedStyle
from atelier_export.style.report import evaluation_tables
from atelier_export.style.settings import IMAGES_SETTING, PAINTINGS_SETTING
from atelier_export.style.temporal_stability import NOISE

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StyleEvaluationData(Settings):
    """What an evaluation reads and writes.

    Attributes:
        images: Folder or uncompressed tar archive of photographs.
        paintings: Folder with a painting for every style, named like it.
        vgg: Weights of the loss network, see `VGG19.load`.
        model_repository: Where the model `style` is published.
        styles: Names of the styles to evaluate; by default all of the network's.
        output: The JSON file to write.
        curves: The file that stores curves of the optimisation, see `CurveFile`. They do not depend
            on the network, so the next evaluation reuses them.
    """

    images: Path = setting(**IMAGES_SETTING)
    paintings: Path = setting(**PAINTINGS_SETTING)
    vgg: Path = setting(**VGG_SETTING)
    model_repository: Path = setting(
        Path("model_repository"), "Where the model `style` is published.", path="folder"
    )
    styles: tuple[str, ...] = setting((), "Only these styles.  [default: all]", metavar="NAME,…")
    output: Path = setting(
        Path("export/checkpoints/style/evaluation.json"), "The JSON file to write.",
        path="new_file", metavar="OUT", short="-o",
    )  # fmt: skip
    curves: Path = setting(
        Path("runs/style-curves.jsonl"),
        "File that stores curves of the optimisation for the next evaluation.",
        path="new_file",
    )


@dataclass(frozen=True)
class EvaluationSettings(LossWeights):
    """How to evaluate; each has an effect on the figures.

    Attributes:
        side: Side of the photographs' center crops, in pixels.
        every: Every Nth photograph by name is evaluated on, as `StyleSettings.held_out`.
        style_side: Shorter side of the paintings in pixels.
        iterations: Of the slow optimisation.
        optimisation_images: Photographs per style, evenly spread by name, that are optimised; 0
            skips the comparison.
        starts: Initial images of the optimisation.
        precision: Of the optimisation's convolutions.
        seed: Seed of all noise.
    """

    side: int = setting(
        256, "Side of the photographs' center crops, in pixels.", minimum=3 * BORDER
    )
    every: int = setting(20, "Every Nth photograph by name is evaluated on.", minimum=1)
    style_side: int = setting(384, "Shorter side of the paintings in pixels.", minimum=16)
    iterations: int = setting(100, "Limit of the slow optimisation.", minimum=1)
    optimisation_images: int = setting(
        2, "Photographs per style that are optimised, for minutes each; 0: none.", minimum=0
    )
    starts: tuple[Start, ...] = setting(
        ("noise", "photograph"), "Initial images of the optimisation.",
        allowed=("noise", "photograph"), metavar="NAME,…",
    )  # fmt: skip
    precision: Precision = setting("bfloat16", "Precision of the optimisation's convolutions.")
    seed: int = setting(0, "Seed of all noise.", minimum=0)


def evaluate(data: StyleEvaluationData, settings: EvaluationSettings) -> str:
    """Measure the newest version of the model `style`.

    On held-out photographs: the distances of the training's loss, the iterations of the slow
    optimisation to the same loss, and the temporal stability under a small move and noise. Writes
    all of it to OUT and prints tables for the model card. After a kill, the same command reuses the
    curves of the optimisation that are already stored.
    """
    if not data.output.parent.is_dir():
        raise ValueError(f"{data.output}: there is no folder {str(data.output.parent)!r}")
    if data.curves.resolve() == data.output.resolve():
        raise ValueError(f"{data.output} cannot hold the curves too; choose another --curves")
    result = evaluate_style(data, settings)
    write_evaluation(result, data.output)
    return "\n\n".join(evaluation_tables(result).values())


def evaluate_style(data: StyleEvaluationData, settings: EvaluationSettings) -> dict[str, Any]:
    """Measures the newest version of the model `style`, as ONNX Runtime runs it.

    Args:
        data: What to read.
        settings: How to evaluate.

    Returns:
        Plain JSON: measurements, settings, data, and versions.

    Raises:
        OSError: A file cannot be read, or the curves cannot be written.
        ValueError: An input cannot be used.
    """
    # The network, the photographs and the loss
    network = PublishedStyle(data.model_repository)
    styles = data.styles or network.styles
    unknown = [style for style in styles if style not in network.styles]
    if unknown:
        raise ValueError(
            f"the network has no style {', '.join(unknown)}; it has {', '.join(network.styles)}"
        )
    files = find_paintings(data.paintings, styles)
    held_out = held_out_images(data.images, settings.every, settings.side)
    curves = CurveFile(data.curves)
    perceptual_loss = load_perceptual_loss(files.values(), data.vgg, settings.style_side)
    identity = {
        "vgg": sha256(data.vgg.read_bytes()),
        "paintings": {style: sha256(file.read_bytes()) for style, file in files.items()},
        "style_side": settings.style_side,
    }
    _log.info("version %d, %d styles, %d photographs", network.version, len(styles), len(held_out))

    # Distances and temporal stability, the latter also of the photographs themselves
    distances = measure_distances(network.paint, perceptual_loss, held_out, styles, settings)
    stability = {
        style: measure_stability(partial(network.paint, style=style), held_out, settings.seed)
        for style in styles
    }
    unpainted = measure_stability(lambda pixels: pixels, held_out, settings.seed)

    # The slow optimisation, minutes for each photograph
    optimisations = optimise(
        perceptual_loss,
        _spread(held_out, settings.optimisation_images),
        styles,
        settings.starts,
        PaintSettings(
            content_weight=settings.content_weight,
            style_weight=settings.style_weight,
            variation_weight=settings.variation_weight,
            iterations=settings.iterations,
            precision=settings.precision,
            seed=settings.seed,
        ),
        curves,
        identity,
    )
    return {
        "settings": {**asdict(settings), "border": BORDER, "noise": NOISE},
        "model": {"version": network.version, "sha256": network.sha256, "styles": network.styles},
        "data": {**identity, "photographs": {each.name: each.sha256 for each in held_out}},
        "versions": _versions(),
        "distances": summarise_distances(distances),
        "iterations_to_match": summarise_iterations(optimisations, distances, settings.iterations),
        "stability": summarise_stability(stability, unpainted),
    }


def _spread(photographs: Sequence[HeldOut], count: int) -> list[HeldOut]:
    """`count` of the photographs, evenly spread, or all if there are fewer."""
    count = min(count, len(photographs))
    return [
        photographs[(2 * index + 1) * len(photographs) // (2 * count)] for index in range(count)
    ]


def _versions() -> dict[str, str]:
    return {
        "atelier": installed_version("atelier-art"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "onnxruntime": RUNTIME,
        "numpy": np.__version__,
        "pillow": PIL.__version__,
    }
