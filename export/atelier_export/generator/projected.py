"""A discriminator on the fixed features of VGG-19.

Sauer et al. 2021, "Projected GANs Converge Faster", arXiv:2111.01007: real and generated images are
compared in the features of a network that is trained already, mixed across channels and across
scales by random convolutions that never learn, so that no part of the features can be neglected.
"""

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from atelier_export.losses.vgg import VGG19

LAYERS = ("relu2_2", "relu3_4", "relu4_1")
"""The layers that are looked at: 1/2, 1/4 and 1/8 of the image's side."""
_CHANNELS = (128, 256, 512)
_STRIDES = (2, 4, 8)
LOGITS_SIDE = 4
"""Side of the map of logits of each head: a logit judges a patch of the image."""


class FixedFeatures(nn.Module):
    """Standardised activations of VGG-19, mixed at random; frozen."""

    def __init__(self, vgg: VGG19, images: Tensor, width: int) -> None:
        """Measures the activations' moments and draws the mixing weights.

        Args:
            vgg: The network.
            images: (n, 3, S, S) real ones, from -1 to 1.
            width: Channels of the mixed features.
        """
        super().__init__()
        self.vgg = vgg
        with torch.no_grad():
            found = self._activations(images)
        for number, each in enumerate(found):
            variance, mean = torch.var_mean(each, dim=(0, 2, 3), correction=0, keepdim=True)
            self.register_buffer(f"mean_{number}", mean)
            self.register_buffer(f"scale_{number}", (variance + 1e-6).rsqrt())
        self.across_channels = nn.ModuleList(
            _mixing(channels, width, kernel=1) for channels in _CHANNELS
        )
        self.across_scales = nn.ModuleList(_mixing(width, width, kernel=3) for _ in _CHANNELS)
        self.requires_grad_(False)

    def _activations(self, images: Tensor) -> list[Tensor]:
        return list(self.vgg((images + 1) / 2, LAYERS).values())

    def forward(self, images: Tensor) -> list[Tensor]:
        """Features (B, width, S/stride, S/stride) of images (B, 3, S, S), the finest first."""
        mixed: list[Tensor] = []
        coarser: Tensor | None = None
        activations = self._activations(images)
        for number in reversed(range(len(LAYERS))):
            mean, scale = getattr(self, f"mean_{number}"), getattr(self, f"scale_{number}")
            x = self.across_channels[number]((activations[number] - mean) * scale)
            if coarser is not None:
                upsampled = F.interpolate(coarser, scale_factor=2.0, mode="bilinear")
                x = (x + upsampled) / math.sqrt(2)
            coarser = self.across_scales[number](x)
            mixed.insert(0, coarser)
        return mixed


class Head(nn.Module):
    """Features of one scale and a class to the logits of patches."""

    def __init__(self, width: int, halvings: int, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(halvings):
            layers += [spectral_norm(nn.Conv2d(width, width, 4, 2, 1)), nn.LeakyReLU(0.2)]
        self.blocks = nn.Sequential(*layers)
        self.logit = spectral_norm(nn.Conv2d(width, 1, 1))
        self.embedding = nn.Embedding(classes, width)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        """Features (B, width, H, W) and labels (B,) to (B, patches)."""
        x = self.blocks(x).float()  # (B, width, 4, 4)
        with torch.autocast(x.device.type, enabled=False):
            # The projection of Miyato and Koyama 2018, as in `network.Discriminator`.
            direction = self.embedding(label)[:, :, None, None]  # (B, width, 1, 1)
            projection = (direction * x).sum(dim=1) / math.sqrt(x.shape[1])  # (B, 4, 4)
            logits: Tensor = self.logit(x)[:, 0] + projection
        return logits.flatten(1)


class ProjectedDiscriminator(nn.Module):
    """An image and its class to logits: how much each patch looks real, at each scale."""

    def __init__(self, vgg: VGG19, images: Tensor, classes: int, width: int = 96) -> None:
        """Takes a network that is trained already.

        Args:
            vgg: The network, which stays as it is.
            images: (n, 3, S, S) real ones, from -1 to 1, of which the features' moments are
                measured.
            classes: Number of classes K.
            width: Channels of the mixed features.

        Raises:
            ValueError: S is not a multiple of 32.
        """
        super().__init__()
        side, multiple = images.shape[-1], LOGITS_SIDE * _STRIDES[-1]
        if side % multiple:
            raise ValueError(f"the images' side must be a multiple of {multiple}, not {side}")
        self.features = FixedFeatures(vgg, images, width)
        self.heads = nn.ModuleList(
            Head(width, int(math.log2(side / stride / LOGITS_SIDE)), classes) for stride in _STRIDES
        )

    def forward(self, images: Tensor, label: Tensor) -> Tensor:
        """Judges a batch.

        Args:
            images: (B, 3, S, S) from -1 to 1.
            label: (B,) int64.

        Returns:
            (B, heads · patches) float32.
        """
        features = self.features(images)
        logits = [head(x, label) for head, x in zip(self.heads, features, strict=True)]
        return torch.cat(logits, dim=1)


def _mixing(inputs: int, outputs: int, kernel: int) -> nn.Conv2d:
    """A random convolution that keeps the mean square of its inputs."""
    layer = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    nn.init.normal_(layer.weight, std=1 / math.sqrt(inputs * kernel**2))
    return layer
