"""A small residual network that classifies images by statistics of what it sees.

Plain 3×3 convolutions with batch normalisation in residual blocks (He et al. 2016,
arXiv:1512.03385, without the maximum pool); each stage halves the resolution. The head sees the
mean and the deviation of every channel of every stage, since these carry the style of a painting
(Gatys et al. 2016; Huang and Belongie 2017, arXiv:1703.06868), from brush strokes in the first
stage to the composition in the last. So an image of any size will do.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


@dataclass(frozen=True)
class ClassifierConfig:
    """The shape of a classifier.

    Attributes:
        classes: Number of classes K, at least 2.
        stem: Channels of the first convolutions, each of which halves the resolution.
        channels: Channels of the stages; each after the first halves the resolution.
        blocks: Residual blocks of each stage.
    """

    classes: int
    stem: tuple[int, ...] = (32, 48)
    channels: tuple[int, ...] = (48, 96, 192)
    blocks: tuple[int, ...] = (2, 2, 2)

    def __post_init__(self) -> None:
        """Refuses shapes that no network can have; raises ValueError."""
        if self.classes < 2:
            raise ValueError(f"a classifier needs at least two classes, not {self.classes}")
        if not self.stem or not self.channels or min(*self.stem, *self.channels) < 1:
            raise ValueError(
                f"stem and channels must be numbers from 1 up, not {self.stem}, {self.channels}"
            )
        if len(self.blocks) != len(self.channels) or min(self.blocks) < 0:
            raise ValueError(
                f"blocks must be {len(self.channels)} numbers from 0 up, one for each of the "
                f"channels, not {self.blocks}"
            )

    @property
    def features(self) -> int:
        """Number of statistics F that the head sees."""
        return 2 * sum(self.channels)


class NormalisedConv(nn.Module):
    """3×3 convolution and batch normalisation (Ioffe and Szegedy 2015); size kept or halved."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        # The normalisation subtracts the mean, so a bias would have no effect.
        self.conv = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, inputs, H, W) to (B, outputs, ⌈H/stride⌉, ⌈W/stride⌉)."""
        y: Tensor = self.norm(self.conv(x))
        return y


class Block(nn.Module):
    """relu(x + f(x)), f two convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = NormalisedConv(channels, channels)
        self.second = NormalisedConv(channels, channels)
        # Each block begins as the identity (Goyal et al. 2017, arXiv:1706.02677, section 5.1).
        nn.init.zeros_(self.second.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Keeps the shape (B, C, H, W)."""
        return F.relu(x + self.second(F.relu(self.first(x))))


class Classifier(nn.Module):
    """Classifies images of any size from 16×16 up."""

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        self.config = config
        inputs = 3
        stem = []
        for outputs in config.stem:
            stem += [NormalisedConv(inputs, outputs, stride=2), nn.ReLU()]
            inputs = outputs
        self.stem = nn.Sequential(*stem)
        self.stages = nn.ModuleList()
        for number, (outputs, count) in enumerate(zip(config.channels, config.blocks, strict=True)):
            stage: list[nn.Module] = []
            if number or inputs != outputs:
                stage += [NormalisedConv(inputs, outputs, stride=2 if number else 1), nn.ReLU()]
            stage += [Block(outputs) for _ in range(count)]
            self.stages.append(nn.Sequential(*stage))
            inputs = outputs
        self.norm = nn.BatchNorm1d(config.features)
        self.head = nn.Linear(config.features, config.classes)

    def features(self, image: Tensor) -> Tensor:
        """Statistics of all stages, normalised over the batch when training.

        Args:
            image: (B, 3, H, W), RGB in 0..1, H and W at least 16.

        Returns:
            (B, F) float32.
        """
        x = self.stem(image * 2 - 1)  # (B, stem[-1], H/2ᵏ, W/2ᵏ)
        statistics: list[Tensor] = []
        for stage in self.stages:
            x = stage(x)  # (B, channels[i], H/2ᵏ⁺ⁱ, W/2ᵏ⁺ⁱ)
            statistics += mean_and_deviation(x)
        y: Tensor = self.norm(torch.cat(statistics, dim=1))  # (B, F)
        return y

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, K) float32 of images (B, 3, H, W), see `features`."""
        features = self.features(image)
        with torch.autocast(image.device.type, enabled=False):
            logits: Tensor = self.head(features.float())  # (B, K)
        return logits


def mean_and_deviation(x: Tensor, epsilon: float = 1e-5) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each channel, (B, C) float32 each, of activations (B, C, H, W)."""
    with torch.autocast(x.device.type, enabled=False):
        x = x.float()
        mean = x.mean(dim=(2, 3))  # (B, C)
        variance = x.square().mean(dim=(2, 3)) - mean.square()
        return mean, (variance.clamp_min(0) + epsilon).sqrt()
