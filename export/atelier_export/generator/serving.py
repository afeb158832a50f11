"""The generator as it is served: latents and movements to pixels."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn

from atelier_export.generator.checkpoint import GeneratorCheckpoint
from atelier_export.generator.int8 import GeneratorQuality
from atelier_export.generator.painter import (
    DEFAULT_TRUNCATION,
    LARGEST_TRUNCATION,
    LatentDecoder,
    Painter,
)
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
from atelier_export.vae.serving import PIXEL_TOLERANCE, served_pixels

MAX_BATCH = 16
"""Images that are painted at once, and of one request."""
PARITY_BATCHES = (1, 3, 8)
PARITY_SEED = 20140610
MEAN_DIFFERENCE = 3.0
"""Largest mean difference of 8 bits from PyTorch, in levels of 255, over the parity's batches."""


class ServedGenerator(nn.Module):
    """A generator and its decoder with the values as they are on the wire."""

    def __init__(self, painter: Painter) -> None:
        super().__init__()
        self.painter = painter
        self.last = painter.generator.config.classes - 1

    def forward(self, latent: Tensor, movement: Tensor) -> Tensor:
        """Paints a batch.

        Args:
            latent: (B, Z) float32.
            movement: (B, 1) int64, from 0 to K - 1. A graph cannot refuse: below 0 is 0, above
                K - 1 is K - 1.

        Returns:
            (B, N, N, 3) uint8, RGB, rounded to the nearest value; black where the latent is not
            finite or leads to no number.
        """
        label = movement[:, 0].clamp(0, self.last)  # (B,)
        return served_pixels(self.painter(latent, label), latent)


def served_decoder(painter: Painter) -> LatentDecoder:
    """The decoder of a generator that can be served; raises ValueError for one of digits."""
    decoder = painter.decoder
    if not isinstance(decoder, LatentDecoder) or decoder.config.colors != 3:
        raise ValueError("a network of digits cannot be served; train on paintings")
    return decoder


def generator_models(
    checkpoint: GeneratorCheckpoint, calibration: Calibration[GeneratorQuality] | None = None
) -> list[ServedModel]:
    """What is published of a generator.

    `generator` is both networks in one graph; `latents`, which draws what it takes, and `generate`,
    which draws, paints and encodes, get their configurations.

    Args:
        checkpoint: The networks.
        calibration: With it, processors take the network in 8 bits.

    Raises:
        ValueError: It was trained on digits.
    """
    painter = checkpoint.painter
    decoder = served_decoder(painter)
    folder = Path(__file__).parent
    config, side = painter.generator.config, decoder.config.side
    configs = {
        name: triton_config(
            folder / f"{name}.pbtxt",
            batch=MAX_BATCH, side=side, latent=config.latent, last=config.classes - 1,
            movements=",".join(checkpoint.classes),
            truncation=DEFAULT_TRUNCATION, largest_truncation=LARGEST_TRUNCATION,
            files=INT8_FILES if calibration else "",
        )
        for name in ("generator", "latents", "generate")
    }  # fmt: skip
    return [
        ServedModel(
            name="generator",
            config=configs["generator"],
            graph=generator_graph(painter, side),
            quantised=(
                Quantised(calibration.ranges["generator"], {"image": MEAN_DIFFERENCE})
                if calibration
                else None
            ),
            gpu=GpuServing(
                {
                    "latent": Profile.of_batches(MAX_BATCH, config.latent),
                    "movement": Profile.of_batches(MAX_BATCH, 1),
                }
            ),
            provenance={
                "network": asdict(config),
                "vae": asdict(decoder.config),
                "movements": checkpoint.classes,
                **({"int8": asdict(calibration.quality)} if calibration else {}),
            },
        ),
        *(ServedModel(name=name, config=configs[name]) for name in ("latents", "generate")),
    ]


def generator_graph(painter: Painter, side: int) -> Graph:
    """A generator as it is served: `latent`, `movement` -> `image`; the batch is dynamic."""
    config = painter.generator.config
    served = ServedGenerator(painter)
    return Graph(
        module=served,
        reference=served,
        example={"latent": torch.zeros(2, config.latent), "movement": torch.zeros(2, 1).long()},
        dynamic_axes={"latent": {0: "batch"}, "movement": {0: "batch"}},
        outputs={"image": Output(("batch", side, side, 3), PIXEL_TOLERANCE)},
        parity_batches=lambda: _parity_batches(config.latent, config.classes),
    )


def _parity_batches(latent: int, classes: int) -> Iterator[Inputs]:
    """Every movement, one below and one above, at the deviations 1/2, 1 and 2; and zeros."""
    generator = torch.Generator().manual_seed(PARITY_SEED)
    yield {"latent": torch.zeros(1, latent), "movement": torch.zeros(1, 1).long()}
    number = -1
    for batch in PARITY_BATCHES:
        for deviation in (0.5, 1.0, 2.0):
            movements = (torch.arange(number, number + batch) + 1) % (classes + 2) - 1
            yield {
                "latent": deviation * torch.randn(batch, latent, generator=generator),
                "movement": movements[:, None],
            }
            number += batch
