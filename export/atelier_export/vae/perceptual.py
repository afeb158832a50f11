"""The perceptual term: how far the activations of VGG-19 are apart."""

from pathlib import Path

import torch
from torch import Tensor, nn

from atelier_export.losses.perceptual import content_distance
from atelier_export.losses.vgg import VGG19

LAYERS = ("relu1_2", "relu2_2", "relu3_3")
"""Layers that see edges and brush strokes; deeper ones see what an image shows."""


class PerceptualDistance(nn.Module):
    """The mean of relative squared distances over layers (Johnson et al. 2016, arXiv:1603.08155).

    It is no part of the likelihood: the bounds are reported without it.
    """

    def __init__(self, vgg: VGG19) -> None:
        super().__init__()
        self.vgg = vgg

    @classmethod
    def load(cls, path: Path, device: torch.device) -> "PerceptualDistance":
        """With the weights of a file, see `VGG19.load`, whose errors it raises."""
        return cls(VGG19.load(path)).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    def forward(self, rebuilt: Tensor, image: Tensor) -> Tensor:
        """Distances (B,) float32 of images (B, 3, H, W) in 0..1, about 1 for unrelated ones."""
        with torch.no_grad():
            targets = self.vgg(image, LAYERS)
        found = self.vgg(rebuilt, LAYERS)
        distances = [content_distance(found[layer], targets[layer]) for layer in LAYERS]
        return torch.stack(distances).mean(dim=0)
