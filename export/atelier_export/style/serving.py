"""The style network as it is served: pixels in, pixels out."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from atelier_export.data.synthetic import synthetic_image
from atelier_export.publishing.calibration import INT8_FILES, Calibration
from atelier_export.publishing.served_model import (
    GpuServing,
    Graph,
    Inputs,
    Output,
    Profile,
    Quantised,
    ServedModel,
)
from atelier_export.publishing.triton_config import triton_config
from atelier_export.style.checkpoint import StyleCheckpoint
from atelier_export.style.inference_rewrite import InferenceStyleNetwork, rewrite_for_inference
from atelier_export.style.int8 import StyleQuality
from atelier_export.style.names import check_style_names
from atelier_export.style.network import StyleNetwork

PARITY_SIZES = ((16, 16), (17, 31), (63, 48), (130, 190), (256, 256), (512, 384))
"""Heights and widths that are compared, each with a batch of one, of two and of three."""
PARITY_SEED = 20160327
TOLERANCE = 1
"""Largest difference from PyTorch, in levels of 255: one rounding."""
MEAN_DIFFERENCES = {"stylized": 4.0}
"""Largest mean difference of 8 bits from PyTorch, in levels of 255, on synthetic images."""

HALF_DIFFERENCES = {"stylized": 0.1}
"""Largest mean difference of 16 bits from PyTorch, in levels of 255, on synthetic images."""
IMAGES = Profile((1, 16, 16, 3), (4, 512, 512, 3), (4, 4096, 4096, 3))
"""What TensorRT's engines are built for: the images of `stylize`, up to an aspect of 4:1."""
MAX_WEIGHTS = 64
"""Weights of styles in a request that such an engine takes."""


class ServedStyle(nn.Module):
    """A style network with the pixels as they are on the wire, and weights of any length.

    Names of styles are only ever appended. So weights that were made for another version of the
    network still mean the same: those that are missing are 0, and superfluous ones, of styles that
    it has not learnt, are left out; the photograph takes their share.
    """

    def __init__(self, network: StyleNetwork | InferenceStyleNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor, style: Tensor) -> Tensor:
        """Repaints a batch.

        Args:
            image: (B, H, W, 3) uint8, RGB; H and W at least 16.
            style: (B, N) float32, a weight for each style; N may differ from the network's S.

        Returns:
            (B, H, W, 3) uint8, RGB, rounded to the nearest value.
        """
        styles = self.network.config.styles
        style = F.pad(style, (0, styles))[:, :styles]  # (B, S)
        x = image.permute(0, 3, 1, 2).float() / 255  # (B, 3, H, W)
        y: Tensor = self.network(x, style) * 255
        return y.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


def style_graph(
    network: StyleNetwork, parity_sizes: Sequence[tuple[int, int]] = PARITY_SIZES
) -> Graph:
    """A network as it is served: `image`, `style` -> `stylized`, see `ServedStyle`.

    Batch, height, width and the number of weights are dynamic.
    """
    return Graph(
        module=ServedStyle(rewrite_for_inference(network)),
        reference=ServedStyle(network),
        example={
            # Sizes that no other dimension of the network has.
            "image": torch.zeros(2, 66, 98, 3, dtype=torch.uint8),
            "style": torch.zeros(2, network.config.styles + 3),
        },
        dynamic_axes={
            "image": {0: "batch", 1: "height", 2: "width"},
            "style": {0: "batch", 1: "weights"},
        },
        outputs={"stylized": Output(("batch", "height", "width", 3), TOLERANCE)},
        parity_batches=lambda: _parity_batches(network.config.styles, parity_sizes),
    )


def style_models(
    checkpoint: StyleCheckpoint, calibration: Calibration[StyleQuality] | None = None
) -> list[ServedModel]:
    """The served models of a style network: `style`, and the names in `stylize`.

    Args:
        checkpoint: The network.
        calibration: With it, processors take the network in 8 bits.

    Raises:
        ValueError: The names of the styles are not allowed.
    """
    check_style_names(checkpoint.styles)
    provenance: dict[str, Any] = {
        "network": asdict(checkpoint.network.config),
        "styles": checkpoint.styles,
    }
    if calibration is not None:
        provenance["int8"] = asdict(calibration.quality)
    names = ",".join(checkpoint.styles)
    folder = Path(__file__).parent
    return [
        ServedModel(
            name="style",
            config=triton_config(
                folder / "style.pbtxt",
                styles=len(checkpoint.styles),
                names=names,
                files=INT8_FILES if calibration else "",
            ),
            graph=style_graph(checkpoint.network),
            quantised=Quantised(calibration.ranges["style"], MEAN_DIFFERENCES)
            if calibration
            else None,
            half_differences=HALF_DIFFERENCES,
            gpu=GpuServing(
                profiles={
                    "image": IMAGES,
                    "style": Profile((1, 1), (4, len(checkpoint.styles)), (4, MAX_WEIGHTS)),
                },
                batching=True,
            ),
            provenance=provenance,
        ),
        ServedModel(
            name="stylize",
            config=triton_config(folder / "stylize.pbtxt", names=names),
        ),
    ]


def _parity_batches(styles: int, sizes: Sequence[tuple[int, int]]) -> Iterator[Inputs]:
    """Batches that cycle through the `style_mixtures`; the first size sees all of them.

    Behind these, every third batch has a weight too many, and every third one lacks the last.
    """
    mixtures = style_mixtures(styles)
    cycle = itertools.cycle(mixtures)
    generator = torch.Generator().manual_seed(PARITY_SEED)
    batches = [(3, *sizes[0])] * -(-len(mixtures) // 3)
    superfluous = itertools.chain([0] * len(batches), itertools.cycle((0, 1, -1)))
    batches += [(batch, *size) for size in sizes for batch in (1, 2, 3)]
    for batch, height, width in batches:
        images = [synthetic_image(height, width, generator) for _ in range(batch)]
        style = torch.stack(list(itertools.islice(cycle, batch)))
        yield {"image": torch.cat(images), "style": F.pad(style, (0, next(superfluous)))}


def style_mixtures(styles: int) -> list[Tensor]:
    """Examples of what a request can ask for, (S,) float32 each.

    Each style alone, all in equal and all in unequal parts; then the first one at the strengths 0
    and 2, the smallest and the largest that are served, and at 1/2.
    """
    one_hot = torch.eye(styles)
    unequal = torch.arange(1, styles + 1, dtype=torch.float32)
    mixed = [one_hot.mean(dim=0), unequal / unequal.sum()]
    return [*one_hot, *mixed, *(strength * one_hot[0] for strength in (0, 0.5, 2))]
