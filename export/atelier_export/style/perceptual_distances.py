"""Perceptual distances of a network's paintings."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

import torch
from PIL import Image

from atelier_export.data.images import Pixels, to_tensor
from atelier_export.losses.perceptual import (
    STYLE_LAYERS,
    PerceptualLoss,
    gram_matrix,
    style_distance,
)
from atelier_export.losses.weights import LossWeights
from atelier_export.style.held_out import HeldOut

_log = logging.getLogger(__name__)

TERMS = ("content", "style", "variation", "loss", "photograph_style")


@dataclass(frozen=True)
class PaintedDistances:
    """The distances of one photograph in one style, see `losses.perceptual`.

    Attributes:
        photograph: Its name.
        painting: The style's name.
        content: Content distance.
        style: Style distance.
        variation: Total variation.
        loss: The weighted sum of these.
        photograph_style: Style distance of the photograph itself.
    """

    photograph: str
    painting: str
    content: float
    style: float
    variation: float
    loss: float
    photograph_style: float


@torch.no_grad()
def measure_distances(
    network: Callable[[Pixels, str], Pixels],
    perceptual_loss: PerceptualLoss,
    photographs: Sequence[HeldOut],
    styles: Sequence[str],
    weights: LossWeights,
) -> list[PaintedDistances]:
    """Measures every photograph in every style, in float32.

    Args:
        network: Repaints an image in the style of this name.
        perceptual_loss: Of the paintings, in the order of `styles`.
        photographs: The images to repaint.
        styles: The names.
        weights: Of the sum.
    """
    measured = []
    for count, photograph in enumerate(photographs, start=1):
        content = perceptual_loss.content(photograph.tensor)
        unpainted = _style_distances(perceptual_loss, photograph)
        for number, style in enumerate(styles):
            chosen = torch.tensor([number])
            painted = to_tensor(Image.fromarray(network(photograph.pixels, style)))[None]
            distances = perceptual_loss(painted, content, chosen)
            measured.append(
                PaintedDistances(
                    photograph.name,
                    style,
                    distances.content.item(),
                    distances.style.item(),
                    distances.variation.item(),
                    weights.total(distances).item(),
                    unpainted[number],
                )
            )
        _log.info("distances: photograph %d of %d", count, len(photographs))
    return measured


def _style_distances(perceptual_loss: PerceptualLoss, photograph: HeldOut) -> list[float]:
    """The photograph's own style distance from every painting, with one pass through VGG."""
    features = perceptual_loss.vgg(photograph.tensor, STYLE_LAYERS)
    styles = len(perceptual_loss.targets[0])
    grams = [gram_matrix(features[layer]).expand(styles, -1, -1) for layer in STYLE_LAYERS]
    distances: list[float] = style_distance(grams, perceptual_loss.targets).tolist()
    return distances


def summarise_distances(measured: Sequence[PaintedDistances]) -> dict[str, Any]:
    """Means per style under `styles`, over all under `all`, and the single ones under `images`."""
    styles = dict.fromkeys(each.painting for each in measured)
    return {
        "styles": {
            style: _means(each for each in measured if each.painting == style) for style in styles
        },
        "all": _means(measured),
        "images": [asdict(each) for each in measured],
    }


def _means(measured: Iterable[PaintedDistances]) -> dict[str, float]:
    rows = [asdict(each) for each in measured]
    return {term: fmean(row[term] for row in rows) for term in TERMS}
