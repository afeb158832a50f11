"""The generator with what makes images of its maps."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from atelier_export.generator.network import Generator
from atelier_export.vae.network import VAE, VAEConfig

LARGEST_TRUNCATION = 4.0
"""A value of a normal distribution is beyond it in one of 16,000 draws: as good as none."""
DEFAULT_TRUNCATION = 1.0
"""Of the sheets of samples and walks, and of the images of a server that is asked for no other."""


class LatentDecoder(nn.Module):
    """Latent maps of unit variance to images, by the decoder of a variational autoencoder."""

    def __init__(self, vae: VAE, mean: Tensor | None = None, scale: Tensor | None = None) -> None:
        """Takes the decoder of an autoencoder.

        Args:
            vae: The autoencoder.
            mean: (latent_channels,), of its latents; by default 0.
            scale: (latent_channels,), their deviation; by default 1.
        """
        super().__init__()
        channels = vae.config.latent_channels
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("mean", torch.zeros(channels) if mean is None else mean)
        self.register_buffer("scale", torch.ones(channels) if scale is None else scale)
        self.config: VAEConfig = vae.config
        self.decoder = vae.decoder
        self.likelihood = vae.likelihood

    def forward(self, maps: Tensor) -> Tensor:
        """Images (B, colors, N, N) in 0..1 of maps (B, latent_channels, S, S)."""
        latent = maps * self.scale[:, None, None] + self.mean[:, None, None]
        image: Tensor = self.likelihood.image(self.decoder(latent.flatten(1)))  # (B, colors, N, N)
        return image


class PixelDecoder(nn.Module):
    """Maps that are pixels already, black at -1 and white at 1."""

    def forward(self, maps: Tensor) -> Tensor:
        """Images (B, C, S, S) in 0..1 of maps (B, C, S, S)."""
        return ((maps + 1) / 2).clamp(0, 1)


class Painter(nn.Module):
    """Latents and classes to images."""

    def __init__(self, generator: Generator, decoder: LatentDecoder | PixelDecoder) -> None:
        """Joins both.

        Raises:
            ValueError: The decoder takes maps of another shape than the generator gives.
        """
        super().__init__()
        config = generator.config
        shape = (config.colors, config.side, config.side)
        if isinstance(decoder, LatentDecoder) and decoder.config.latent_shape != shape:
            raise ValueError(
                f"the generator gives maps of {shape}, the decoder takes "
                f"{decoder.config.latent_shape}"
            )
        self.generator = generator
        self.decoder = decoder

    def forward(self, latent: Tensor, label: Tensor) -> Tensor:
        """Paints a batch.

        Args:
            latent: (B, Z), standard normal, see `draw_latents`.
            label: (B,) int64, from 0 to K - 1.

        Returns:
            (B, colors, N, N) float32 in 0..1.
        """
        image: Tensor = self.decoder(self.generator(latent, label))
        return image


def draw_latents(
    random: np.random.Generator, count: int, length: int, truncation: float = LARGEST_TRUNCATION
) -> NDArray[np.float32]:
    """Standard normal latents without values beyond the truncation, which are drawn anew.

    Smaller truncations give more typical and less varied images (Brock et al. 2019,
    arXiv:1809.11096, section 3.1).

    Args:
        random: Where they are drawn from.
        count: Number n of latents.
        length: Their length Z.
        truncation: Largest absolute value, above 0.

    Returns:
        (n, Z).

    Raises:
        ValueError: The truncation is not above 0.
    """
    if not truncation > 0:
        raise ValueError(f"truncation must be a number above 0, not {truncation}")
    latents = random.standard_normal((count, length), np.float32)
    while (outside := np.abs(latents) > truncation).any():
        latents[outside] = random.standard_normal(int(outside.sum()), np.float32)
    return latents


def interpolate_latents(
    first: NDArray[np.float32], last: NDArray[np.float32], steps: int
) -> NDArray[np.float32]:
    """A walk along the arc between two latents, so that those between have their norms.

    Spherical interpolation, White 2016, "Sampling Generative Networks", arXiv:1609.04468.

    Args:
        first: (Z,).
        last: (Z,), neither 0 nor opposite to the first.
        steps: Number n of latents, both ends included, at least 2.

    Returns:
        (n, Z).
    """
    cosine = first @ last / (np.linalg.norm(first) * np.linalg.norm(last))
    angle = max(float(np.arccos(np.clip(cosine, -1, 1))), 1e-4)
    shares = np.linspace(0, 1, steps)[:, None]  # (n, 1)
    walk = np.sin((1 - shares) * angle) * first + np.sin(shares * angle) * last  # (n, Z)
    latents: NDArray[np.float32] = (walk / np.sin(angle)).astype(np.float32)
    return latents


@torch.no_grad()
def paint(painter: Painter, latents: Tensor, labels: Tensor, batch: int = 64) -> Tensor:
    """Images (n, colors, N, N) in 0..1, on the CPU, of latents (n, Z) and labels (n,)."""
    device = next(painter.parameters()).device
    images = [
        painter(some.to(device), its.to(device)).cpu()
        for some, its in zip(torch.split(latents, batch), torch.split(labels, batch), strict=True)
    ]
    return torch.cat(images)
