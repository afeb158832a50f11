"""A convolutional variational autoencoder (Kingma and Welling 2014, arXiv:1312.6114).

Encoder and decoder are residual networks (He et al. 2016, arXiv:1512.03385) without normalisation,
as is usual where the output is an image (Lim et al. 2017, arXiv:1707.02921; Child 2021,
arXiv:2011.10650): an image's statistics are part of what has to be rebuilt. The latent is a map of
positions and channels, so that each place of an image is described where it is.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from atelier_export.vae.likelihood import Bernoulli, DiscretisedLaplace

LOG_VARIANCE_RANGE = (-14.0, 6.0)
"""Of the posterior: no deviation is below 0.001 or above 20, so that no exponential overflows."""


@dataclass(frozen=True)
class VAEConfig:
    """The shape of a variational autoencoder.

    Attributes:
        side: Side N of the images in pixels.
        colors: Channels C of the images.
        channels: Channels of the stages, from the full resolution down; each halves the resolution
            of the one before.
        blocks: Residual blocks of each stage, in the encoder and in the decoder.
        latent_channels: Channels of the latent map.
        likelihood: Of the pixels: "laplace" for levels from 0 to 255, "bernoulli" for black and
            white.
    """

    side: int = 128
    colors: int = 3
    channels: tuple[int, ...] = (16, 32, 64, 128)
    blocks: tuple[int, ...] = (0, 1, 2, 3)
    latent_channels: int = 4
    likelihood: Literal["laplace", "bernoulli"] = "laplace"

    def __post_init__(self) -> None:
        """Refuses shapes that no network can have; raises ValueError."""
        if not self.channels or min(*self.channels, self.colors, self.latent_channels) < 1:
            raise ValueError(
                f"channels, colors and latent_channels must be numbers from 1 up, not "
                f"{self.channels}, {self.colors}, {self.latent_channels}"
            )
        if len(self.blocks) != len(self.channels) or min(self.blocks) < 0:
            raise ValueError(
                f"blocks must be {len(self.channels)} numbers from 0 up, one for each of the "
                f"channels, not {self.blocks}"
            )
        stride = 1 << (len(self.channels) - 1)
        if self.side < stride or self.side % stride:
            raise ValueError(f"side must be a multiple of {stride}, not {self.side}")
        if self.likelihood not in ("laplace", "bernoulli"):
            raise ValueError(f"likelihood must be laplace or bernoulli, not {self.likelihood!r}")

    @property
    def latent_side(self) -> int:
        """Side of the latent map."""
        return self.side >> (len(self.channels) - 1)

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the latent map."""
        return self.latent_channels, self.latent_side, self.latent_side

    @property
    def latent(self) -> int:
        """Length L of a latent: the map, flattened."""
        return self.latent_channels * self.latent_side**2

    @property
    def dimensions(self) -> int:
        """Number of values D of an image."""
        return self.colors * self.side**2


class Block(nn.Module):
    """x + f(x), f two convolutions after activations (He et al. 2016, arXiv:1603.05027)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        # Each block begins as the identity, so that no normalisation is needed to train many
        # (Zhang et al. 2019, arXiv:1901.09321).
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Keeps the shape (B, C, H, W)."""
        y: Tensor = x + self.second(F.silu(self.first(F.silu(x))))
        return y


class Encoder(nn.Module):
    """The posterior q(z|x) of an image: a Gaussian with a diagonal covariance."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.stem = nn.Conv2d(config.colors, config.channels[0], 3, padding=1)
        self.stages = nn.ModuleList()
        inputs = config.channels[0]
        for number, (outputs, count) in enumerate(zip(config.channels, config.blocks, strict=True)):
            stage: list[nn.Module] = []
            if number:
                stage += [nn.SiLU(), nn.Conv2d(inputs, outputs, 4, stride=2, padding=1)]
            stage += [Block(outputs) for _ in range(count)]
            self.stages.append(nn.Sequential(*stage))
            inputs = outputs
        self.head = nn.Conv2d(inputs, 2 * config.latent_channels, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Encodes a batch.

        Args:
            image: (B, C, N, N) in 0..1.

        Returns:
            Mean and logarithm of the variance, (B, L) float32 each.
        """
        x = self.stem(image * 2 - 1)  # (B, channels[0], N, N)
        for stage in self.stages:
            x = stage(x)  # (B, channels[i], N/2ⁱ, N/2ⁱ)
        with torch.autocast(x.device.type, enabled=False):
            x = self.head(F.silu(x.float()))  # (B, 2 latent_channels, h, w)
        mean, log_variance = x.chunk(2, dim=1)  # (B, latent_channels, h, w) each
        return mean.flatten(1), log_variance.flatten(1).clamp(*LOG_VARIANCE_RANGE)  # (B, L) each


class Upsample(nn.Module):
    """Nearest-neighbour resizing to twice the size, then a convolution.

    A transposed convolution in its place would leave a checkerboard (Odena et al. 2016,
    doi:10.23915/distill.00003).
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, inputs, H, W) to (B, outputs, 2H, 2W)."""
        y: Tensor = self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return y


class Decoder(nn.Module):
    """What the likelihood p(x|z) of a latent is centred at."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.shape = config.latent_shape
        channels, blocks = config.channels[::-1], config.blocks[::-1]
        self.stem = nn.Conv2d(config.latent_channels, channels[0], 3, padding=1)
        self.stages = nn.ModuleList()
        inputs = channels[0]
        for number, (outputs, count) in enumerate(zip(channels, blocks, strict=True)):
            stage: list[nn.Module] = [nn.SiLU(), Upsample(inputs, outputs)] if number else []
            stage += [Block(outputs) for _ in range(count)]
            self.stages.append(nn.Sequential(*stage))
            inputs = outputs
        self.head = nn.Conv2d(inputs, config.colors, 3, padding=1)

    def forward(self, latent: Tensor) -> Tensor:
        """Decodes a batch.

        Args:
            latent: (B, L).

        Returns:
            (B, C, N, N) float32: the location of the likelihood, see `likelihood`.
        """
        x = self.stem(latent.reshape(-1, *self.shape))  # (B, channels[-1], h, w)
        for stage in self.stages:
            x = stage(x)  # (B, channels[-1-i], h 2ⁱ, w 2ⁱ)
        # In bfloat16 a pixel would be off by a level of 255.
        with torch.autocast(x.device.type, enabled=False):
            location: Tensor = self.head(F.silu(x.float()))  # (B, C, N, N)
        return location


class VAE(nn.Module):
    """Encoder, decoder and likelihood; the prior is the standard normal distribution."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.likelihood = DiscretisedLaplace() if config.likelihood == "laplace" else Bernoulli()

    def forward(self, image: Tensor) -> Tensor:
        """Rebuilds images (B, C, N, N) in 0..1 from the means of their posteriors."""
        mean, _ = self.encoder(image)  # (B, L)
        rebuilt: Tensor = self.likelihood.image(self.decoder(mean))  # (B, C, N, N)
        return rebuilt
