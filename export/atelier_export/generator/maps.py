"""The real maps that a discriminator sees: latent maps of paintings, or pixels."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from atelier_export.training.device import fast_precision
from atelier_export.vae.bounds import sample_posterior
from atelier_export.vae.network import VAE


class Maps(Protocol):
    """Real maps, drawn anew for each batch."""

    def __len__(self) -> int:
        """Number n of maps."""

    def draw(self, places: Tensor, random: np.random.Generator, /) -> Tensor:
        """The maps (B, C, S, S) float32 at some places (B,) int64 from 0 to n - 1."""


@dataclass(frozen=True)
class LatentMaps:
    """Posteriors of paintings, and of their mirror images.

    Attributes:
        mean: (n, 2, C, S, S), as they are and mirrored.
        log_variance: (n, 2, C, S, S).
        flip: Share of the maps that are drawn mirrored.
    """

    mean: Tensor
    log_variance: Tensor
    flip: float

    def __len__(self) -> int:
        """Number of paintings."""
        return len(self.mean)

    def draw(self, places: Tensor, random: np.random.Generator) -> Tensor:
        """Samples of posteriors, some mirrored, see `Maps`."""
        mirrored = torch.from_numpy(random.random(len(places)) < self.flip).long()  # (B,)
        mean = self.mean[places, mirrored]  # (B, C, S, S)
        noise = torch.from_numpy(random.standard_normal(tuple(mean.shape), np.float32))
        return sample_posterior(mean, self.log_variance[places, mirrored], noise)

    def moments(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation of samples, (C,) each, over all paintings and places."""
        mean = self.mean.mean(dim=(0, 1, 3, 4))  # (C,)
        variance = self.mean.var(dim=(0, 1, 3, 4), correction=0)
        variance = variance + self.log_variance.exp().mean(dim=(0, 1, 3, 4))
        return mean, variance.sqrt()

    def standardised(self) -> "LatentMaps":
        """With samples of mean 0 and variance 1 in each channel, whatever the autoencoder's scale.

        Rombach et al. 2022, arXiv:2112.10752, appendix G.
        """
        mean, deviation = (each[:, None, None] for each in self.moments())  # (C, 1, 1) each
        return LatentMaps(
            (self.mean - mean) / deviation, self.log_variance - 2 * deviation.log(), self.flip
        )


@dataclass(frozen=True)
class PixelMaps:
    """Images as they are.

    Attributes:
        images: (n, C, S, S) uint8.
        flip: Share of the images that are drawn mirrored.
    """

    images: Tensor
    flip: float = 0.0

    def __len__(self) -> int:
        """Number of images."""
        return len(self.images)

    def draw(self, places: Tensor, random: np.random.Generator) -> Tensor:
        """The pixels, black as -1 and white as 1, some mirrored, see `Maps`."""
        pixels = self.images[places].float() / 127.5 - 1  # (B, C, S, S)
        if not self.flip:
            return pixels
        mirrored = torch.from_numpy(random.random(len(places)) < self.flip)  # (B,)
        return torch.where(mirrored[:, None, None, None], pixels.flip(3), pixels)


@torch.no_grad()
def encode_paintings(vae: VAE, images: Tensor, flip: float, batch: int = 16) -> LatentMaps:
    """Encodes paintings and their mirror images once.

    Args:
        vae: The autoencoder, on the device that is to be used.
        images: (n, 3, N, N) uint8.
        flip: See `LatentMaps`.
        batch: Images at a time.
    """
    device = next(vae.parameters()).device
    means, log_variances = [], []
    for some in torch.split(images, batch):
        image = some.to(device).float() / 255  # (B, 3, N, N)
        both = torch.stack([image, image.flip(3)], dim=1)  # (B, 2, 3, N, N)
        both = both.flatten(0, 1).contiguous(memory_format=torch.channels_last)  # (2 B, 3, N, N)
        with fast_precision(device):  # as in its training
            mean, log_variance = vae.encoder(both)  # (2 B, L) each
        shape = (len(some), 2, *vae.config.latent_shape)
        means.append(mean.reshape(shape).cpu())
        log_variances.append(log_variance.reshape(shape).cpu())
    return LatentMaps(torch.cat(means), torch.cat(log_variances), flip)
