"""A class-conditional generator and discriminator of small maps.

The maps are the latents of a variational autoencoder, whose decoder makes images of them, or the
pixels of digits: the code is the same.

The generator has the modulated convolutions and output skips of Karras et al. 2020, "Analyzing and
Improving the Image Quality of StyleGAN", arXiv:1912.04958. Nothing is normalised over the batch, so
an image does not depend on the others in it. The discriminator is residual, with a projection of
the class (Miyato and Koyama 2018, "cGANs with Projection Discriminator", arXiv:1802.05637).
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)


@dataclass(frozen=True)
class GANConfig:
    """The shape of a generator and its discriminator.

    Attributes:
        classes: Number of classes K.
        colors: Channels C of the maps.
        side: Side S of the maps.
        latent: Length Z of the generator's input, standard normal noise.
        channels: Channels of the stages, from the smallest maps up; each doubles the side of the
            one before.
        bounded: Whether the maps are pixels, from -1 to 1: a discriminator that knows them would
            tell noise around black from black, and nothing else would be learnt.
    """

    classes: int
    colors: int
    side: int
    latent: int = 128
    channels: tuple[int, ...] = (192, 128, 96)
    bounded: bool = False

    def __post_init__(self) -> None:
        """Refuses shapes that no network can have; raises ValueError."""
        if not self.channels or min(self.classes, self.colors, self.latent, *self.channels) < 1:
            raise ValueError(
                "classes, colors, latent and channels must be numbers from 1 up, not "
                f"{self.classes}, {self.colors}, {self.latent}, {self.channels}"
            )
        factor = 1 << (len(self.channels) - 1)
        if self.side < factor or self.side % factor:
            raise ValueError(f"side must be a multiple of {factor}, not {self.side}")

    @property
    def smallest_side(self) -> int:
        """Side s of the maps of the first stage."""
        return self.side >> (len(self.channels) - 1)


def activation(x: Tensor) -> Tensor:
    """Leaky ReLU, scaled so that it keeps the mean square of normal inputs."""
    return F.leaky_relu(x, 0.2) * math.sqrt(2 / (1 + 0.2**2))


def normal(layer: Layer) -> Layer:
    """A layer with normal weights that keep the mean square of normal inputs, and no bias yet."""
    nn.init.normal_(layer.weight, std=1 / math.sqrt(layer.weight[0].numel()))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class ModulatedConv(nn.Module):
    """A 3×3 convolution whose inputs are scaled by a style, and whose outputs are normalised.

    The normalisation is that of the expected deviation, not of the data (Karras et al. 2020, eq. 1
    to 3). Scaling the activations in place of the weights is the same, and one convolution serves
    the whole batch.
    """

    def __init__(self, inputs: int, outputs: int, style: int) -> None:
        super().__init__()
        self.scale = normal(nn.Linear(style, inputs))
        nn.init.ones_(self.scale.bias)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3) / math.sqrt(9 * inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Maps (B, inputs, H, W) and styles (B, style) to (B, outputs, H, W)."""
        scale = self.scale(style)  # (B, inputs)
        variance = scale.square() @ self.weight.square().sum(dim=(2, 3)).T  # (B, outputs)
        y: Tensor = F.conv2d(x * scale[:, :, None, None], self.weight, padding=1)
        y *= (variance + 1e-8).rsqrt()[:, :, None, None]  # (B, outputs, H, W)
        return y + self.bias[:, None, None]


class GeneratorStage(nn.Module):
    """Two modulated convolutions, the first after a doubling of the side; and a map of its own."""

    def __init__(self, inputs: int, outputs: int, style: int, colors: int) -> None:
        super().__init__()
        self.first = ModulatedConv(inputs, outputs, style)
        self.second = ModulatedConv(outputs, outputs, style)
        self.to_map = normal(nn.Conv2d(outputs, colors, 1))

    def forward(self, x: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        """Activations (B, outputs, H, W) and a map (B, colors, H, W) of (B, inputs, H, W)."""
        x = activation(self.first(x, style))
        x = activation(self.second(x, style))
        return x, self.to_map(x)


class Generator(nn.Module):
    """Noise and a class to a map.

    The noise is not normalised, so that shorter latents lead to more typical maps: the truncation
    of Brock et al. 2019, arXiv:1809.11096, section 3.1, is in the hands of who draws it.
    """

    def __init__(self, config: GANConfig) -> None:
        super().__init__()
        self.config = config
        style, smallest = config.latent, config.smallest_side
        self.embedding = nn.Embedding(config.classes, style)
        self.mapping = nn.Sequential(
            normal(nn.Linear(config.latent + style, style)),
            nn.LeakyReLU(0.2),
            normal(nn.Linear(style, style)),
        )
        self.start = normal(nn.Linear(config.latent + style, config.channels[0] * smallest**2))
        inputs = config.channels[0]
        self.stages = nn.ModuleList()
        for outputs in config.channels:
            self.stages.append(GeneratorStage(inputs, outputs, style, config.colors))
            inputs = outputs

    def forward(self, latent: Tensor, label: Tensor) -> Tensor:
        """Generates a batch.

        Args:
            latent: (B, Z), standard normal.
            label: (B,) int64, from 0 to K - 1.

        Returns:
            (B, C, S, S) float32.
        """
        smallest = self.config.smallest_side
        x = torch.cat([latent, self.embedding(label)], dim=1)  # (B, 2 Z)
        style = self.mapping(x)  # (B, Z)
        x = self.start(x).reshape(-1, self.config.channels[0], smallest, smallest)
        total: Tensor | None = None
        for stage in self.stages:
            if total is not None:
                x, total = _double(x), _double(total)
            x, own = stage(x, style)  # (B, channels[i], s 2ⁱ, s 2ⁱ), (B, C, s 2ⁱ, s 2ⁱ)
            total = own if total is None else total + own
        assert total is not None
        total = total.float()
        return total.tanh() if self.config.bounded else total


def _double(x: Tensor) -> Tensor:
    """(B, C, H, W) at twice the side, bilinear."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear")


class DiscriminatorBlock(nn.Module):
    """(x + f(x)) / √2, f two convolutions, at half the side."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = normal(nn.Conv2d(inputs, inputs, 3, padding=1))
        self.second = normal(nn.Conv2d(inputs, outputs, 3, padding=1))
        self.skip = normal(nn.Conv2d(inputs, outputs, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, inputs, H, W) to (B, outputs, H/2, W/2)."""
        y: Tensor = F.avg_pool2d(activation(self.first(x)), 2)  # (B, inputs, H/2, W/2)
        y = activation(self.second(y))  # (B, outputs, H/2, W/2)
        y += self.skip(F.avg_pool2d(x, 2))
        return y / math.sqrt(2)


class Discriminator(nn.Module):
    """A map and its class to a logit: how much it looks like a real one of this class."""

    def __init__(self, config: GANConfig) -> None:
        super().__init__()
        channels = config.channels[::-1]
        self.stem = normal(nn.Conv2d(config.colors, channels[0], 3, padding=1))
        self.blocks = nn.ModuleList(
            DiscriminatorBlock(inputs, outputs) for inputs, outputs in pairwise(channels)
        )
        last = channels[-1]
        self.last = normal(nn.Conv2d(last + 1, last, 3, padding=1))
        self.features = normal(nn.Linear(last * config.smallest_side**2, last))
        self.logit = normal(nn.Linear(last, 1))
        self.embedding = nn.Embedding(config.classes, last)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        """Judges a batch.

        Args:
            x: (B, C, S, S).
            label: (B,) int64.

        Returns:
            (B,) float32.
        """
        x = activation(self.stem(x))  # (B, channels[-1], S, S)
        for block in self.blocks:
            x = block(x)  # (B, channels[-2-i], S/2ⁱ⁺¹, S/2ⁱ⁺¹)
        x = torch.cat([x, batch_deviation(x)], dim=1)  # (B, channels[0] + 1, s, s)
        x = activation(self.last(x))  # (B, channels[0], s, s)
        features = activation(self.features(x.flatten(1))).float()  # (B, channels[0])
        with torch.autocast(x.device.type, enabled=False):
            # Miyato and Koyama 2018, eq. 3; the root keeps a logit of the size of its parts.
            projection = (self.embedding(label) * features).sum(dim=1) / features.shape[1] ** 0.5
            logit: Tensor = self.logit(features)[:, 0] + projection  # (B,)
        return logit


def batch_deviation(x: Tensor) -> Tensor:
    """The mean deviation over the batch, as one more channel of each map.

    It shows a discriminator that all samples look alike (Karras et al. 2018, "Progressive Growing
    of GANs", arXiv:1710.10196, section 3).

    Args:
        x: (B, C, H, W).

    Returns:
        (B, 1, H, W), the same number everywhere.
    """
    deviation = (x.var(dim=0, correction=0) + 1e-8).sqrt().mean()
    return deviation.expand(len(x), 1, *x.shape[2:])
