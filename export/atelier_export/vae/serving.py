"""The variational autoencoder as it is served: pixels to latents, and latents to pixels."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import torch
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
from atelier_export.vae.checkpoint import VAECheckpoint
from atelier_export.vae.int8 import VAEQuality
from atelier_export.vae.likelihood import DiscretisedLaplace
from atelier_export.vae.network import VAE, Encoder

MAX_BATCH = 16
"""Images of a batch at most."""
PARITY_BATCHES = (1, 3, 8)
PARITY_SEED = 20131220
POSTERIOR_TOLERANCE = 1e-3
"""How far a served mean or log-variance may be from PyTorch's; both are about 1."""
PIXEL_TOLERANCE = 1
"""How far a served pixel may be from PyTorch's, of 255: one rounding apart."""
MEAN_DIFFERENCES = {
    "vae_encoder": {"mean": 0.1, "log_variance": 0.2},
    "vae_decoder": {"image": 3.0},
}
"""Largest mean differences of 8 bits from PyTorch, over the batches of the parity."""


class ServedEncoder(nn.Module):
    """An encoder with the pixels as they are on the wire."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Encodes a batch.

        Args:
            image: (B, N, N, 3) uint8, RGB.

        Returns:
            Mean and log-variance of the posterior, (B, L) float32 each.
        """
        x = image.permute(0, 3, 1, 2).float() / 255  # (B, 3, N, N)
        mean, log_variance = self.encoder(x)  # (B, L) each
        return mean, log_variance


class ServedDecoder(nn.Module):
    """A decoder with the pixels as they are on the wire."""

    def __init__(self, network: VAE) -> None:
        super().__init__()
        self.decoder = network.decoder
        self.likelihood = network.likelihood

    def forward(self, latent: Tensor) -> Tensor:
        """Decodes a batch.

        Args:
            latent: (B, L) float32.

        Returns:
            (B, N, N, 3) uint8, RGB, rounded to the nearest value; black where the latent is not
            finite or leads to no number.
        """
        return served_pixels(self.likelihood.image(self.decoder(latent)), latent)


def served_pixels(image: Tensor, latent: Tensor) -> Tensor:
    """Images (B, 3, N, N) in 0..1 as they are on the wire, (B, N, N, 3) uint8.

    Those whose latents (B, L) are not finite are black, and what is no number.
    """
    # A graph cannot refuse NaN, what it is as an integer differs between processors, and layers in
    # 8 bits make some number of it.
    finite = (latent.abs() < torch.inf).all(dim=1)  # (B,)
    image = image.masked_fill(image.isnan() | ~finite[:, None, None, None], 0)
    return (image * 255).round().to(torch.uint8).permute(0, 2, 3, 1)  # (B, N, N, 3)


def vae_models(
    checkpoint: VAECheckpoint, calibration: Calibration[VAEQuality] | None = None
) -> list[ServedModel]:
    """What is published of a variational autoencoder: `vae_encoder` and `vae_decoder`.

    Args:
        checkpoint: The networks.
        calibration: With it, processors take them in 8 bits.

    Raises:
        ValueError: It was trained on digits.
    """
    network, config = checkpoint.network, checkpoint.network.config
    if not isinstance(network.likelihood, DiscretisedLaplace) or config.colors != 3:
        raise ValueError("a network of digits cannot be served; train on paintings, in colour")
    shape = ",".join(map(str, config.latent_shape))
    sizes = {
        "side": config.side,
        "latent": config.latent,
        "latent_shape": shape,
        "batch": MAX_BATCH,
        "files": INT8_FILES if calibration else "",
    }
    provenance = {
        "network": asdict(config),
        "scale": float(network.likelihood.scale.detach()),
        **({"int8": asdict(calibration.quality)} if calibration else {}),
    }
    graphs = {"vae_encoder": encoder_graph(network), "vae_decoder": decoder_graph(network)}
    return [
        ServedModel(
            name=name,
            config=triton_config(Path(__file__).with_name(f"{name}.pbtxt"), **sizes),
            graph=graph,
            quantised=(
                Quantised(calibration.ranges[name], MEAN_DIFFERENCES[name]) if calibration else None
            ),
            gpu=GpuServing(
                {
                    name: Profile.of_batches(MAX_BATCH, *tensor.shape[1:])
                    for name, tensor in graph.example.items()
                }
            ),
            provenance=provenance,
        )
        for name, graph in graphs.items()
    ]


def encoder_graph(network: VAE) -> Graph:
    """An encoder as it is served: `image` -> `mean`, `log_variance`; the batch is dynamic."""
    side, latent = network.config.side, network.config.latent
    served = ServedEncoder(network.encoder)
    return Graph(
        module=served,
        reference=served,
        example={"image": torch.zeros(2, side, side, 3, dtype=torch.uint8)},
        dynamic_axes={"image": {0: "batch"}},
        outputs={
            "mean": Output(("batch", latent), POSTERIOR_TOLERANCE),
            "log_variance": Output(("batch", latent), POSTERIOR_TOLERANCE),
        },
        parity_batches=lambda: _image_batches(side),
    )


def decoder_graph(network: VAE) -> Graph:
    """A decoder as it is served: `latent` -> `image`; the batch is dynamic."""
    side, latent = network.config.side, network.config.latent
    served = ServedDecoder(network)
    return Graph(
        module=served,
        reference=served,
        example={"latent": torch.zeros(2, latent)},
        dynamic_axes={"latent": {0: "batch"}},
        outputs={"image": Output(("batch", side, side, 3), PIXEL_TOLERANCE)},
        parity_batches=lambda: _latent_batches(latent),
    )


def _image_batches(side: int) -> Iterator[Inputs]:
    generator = torch.Generator().manual_seed(PARITY_SEED)
    for batch in PARITY_BATCHES:
        images = [synthetic_image(side, side, generator) for _ in range(batch)]
        yield {"image": torch.cat(images)}


def _latent_batches(latent: int) -> Iterator[Inputs]:
    """Samples of the prior, each batch at the deviations 1/2, 1 and 2; and the prior's mean."""
    generator = torch.Generator().manual_seed(PARITY_SEED)
    yield {"latent": torch.zeros(1, latent)}
    for batch in PARITY_BATCHES:
        for deviation in (0.5, 1.0, 2.0):
            yield {"latent": deviation * torch.randn(batch, latent, generator=generator)}
