"""The perceptual loss of Gatys et al. 2016, "Image Style Transfer Using CNNs" (CVPR).

The distances are relative to the target's own energy: for an unrelated image each is near 1 in
every layer, painting and size, so the weights mean the same everywhere.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from atelier_export.data.images import read_upright, resize_short_side, to_tensor
from atelier_export.losses.vgg import VGG19

CONTENT_LAYER = "relu4_2"
STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")


def gram_matrix(features: Tensor) -> Tensor:
    """G = F Fᵀ / (H W): the correlations of channels (Gatys et al. 2016, eq. 3).

    Args:
        features: (B, C, H, W). In bfloat16 the products are summed in float32 and rounded once,
            an error of 0.2 %, at a quarter of the time on a CPU.

    Returns:
        (B, C, C) in float32; divided by H W, so that images of different sizes compare.
    """
    pixels = features.flatten(2).transpose(1, 2)  # (B, H W, C)
    with torch.autocast(features.device.type, enabled=False):
        # One by one: a batched product of bfloat16 takes twice the time on a CPU.
        grams = torch.stack([each.t() @ each for each in pixels])
        return grams.float() / pixels.shape[1]


def content_distance(features: Tensor, target: Tensor) -> Tensor:
    """|F(o) − F(p)|² / |F(p)|² per image (Gatys et al. 2016, eq. 1, made relative).

    Args:
        features: (B, C, H, W), activations of the output.
        target: (B, C, H, W), activations of the photograph.

    Returns:
        (B,) in float32.
    """
    target = target.float()
    difference = (features.float() - target).square().sum(dim=(1, 2, 3))
    return difference / target.square().sum(dim=(1, 2, 3))


def style_distance(grams: list[Tensor], targets: list[Tensor]) -> Tensor:
    """The mean over layers of |G(o) − G(s)|² / |G(s)|² (Gatys et al. 2016, eq. 4 and 5, relative).

    Args:
        grams: One (B, C, C) per layer, of the output.
        targets: One (B, C, C) per layer, of the painting.

    Returns:
        (B,) in float32.
    """
    layers = [
        (gram - target).square().sum(dim=(1, 2)) / target.square().sum(dim=(1, 2))
        for gram, target in zip(grams, targets, strict=True)
    ]
    return torch.stack(layers).mean(dim=0)


def total_variation(image: Tensor) -> Tensor:
    """Mean absolute difference of neighbouring pixels, down plus across.

    The regulariser of Johnson et al. 2016, section 3.2, but with absolute differences: squared ones
    would penalise the edges of strokes most.

    Args:
        image: (B, C, H, W).

    Returns:
        (B,), in the units of the image.
    """
    vertical = (image[:, :, 1:] - image[:, :, :-1]).abs().mean(dim=(1, 2, 3))
    horizontal = (image[:, :, :, 1:] - image[:, :, :, :-1]).abs().mean(dim=(1, 2, 3))
    return vertical + horizontal


@dataclass(frozen=True)
class Distances:
    """The unweighted terms of the perceptual loss, one value per image, (B,) each."""

    content: Tensor
    style: Tensor
    variation: Tensor


class PerceptualLoss(nn.Module):
    """Distances of repainted images from their photographs and their styles' paintings."""

    def __init__(self, vgg: VGG19, paintings: list[Tensor]) -> None:
        """Computes the Gram matrices of the paintings once.

        Args:
            vgg: The loss network, on the device to compute on.
            paintings: One (3, H, W) per style, RGB in 0..1, of any size from 16×16.
        """
        super().__init__()
        self.vgg = vgg
        grams = []
        for painting in paintings:
            with torch.no_grad():
                features = vgg(painting[None].to(vgg.mean.device), STYLE_LAYERS)
            grams.append([gram_matrix(features[layer])[0] for layer in STYLE_LAYERS])
        self.targets = [torch.stack(layer) for layer in zip(*grams, strict=True)]  # (S, C, C) each

    @torch.no_grad()
    def content(self, photograph: Tensor) -> Tensor:
        """The content of photographs (B, 3, H, W), RGB in 0..1: (B, 512, H/8, W/8)."""
        features: Tensor = self.vgg(photograph, (CONTENT_LAYER,))[CONTENT_LAYER]
        return features

    def forward(self, output: Tensor, content: Tensor, style: Tensor) -> Distances:
        """Measures a batch.

        Args:
            output: (B, 3, H, W), RGB in 0..1.
            content: The `content` of the photographs, of the output's size.
            style: (B,) int64, the index of each image's style.
        """
        features = self.vgg(output, (*STYLE_LAYERS, CONTENT_LAYER))
        return Distances(
            content_distance(features[CONTENT_LAYER], content),
            style_distance(
                [gram_matrix(features[layer]) for layer in STYLE_LAYERS],
                [layer[style] for layer in self.targets],
            ),
            total_variation(output.float()),
        )


def load_perceptual_loss(
    paintings: Iterable[Path], vgg: Path, style_side: int, device: torch.device | str = "cpu"
) -> PerceptualLoss:
    """Builds the loss from files, for training and evaluation alike.

    Args:
        paintings: One image per style.
        vgg: Weights of the loss network, see `VGG19.load`.
        style_side: Shorter side to which the paintings are resized, in pixels.
        device: The device to compute on.

    Raises:
        OSError: A file cannot be read.
        ValueError: A painting is too large, or `vgg` does not hold these weights.
    """
    return PerceptualLoss(
        VGG19.load(vgg).to(device, memory_format=torch.channels_last),  # type: ignore[call-overload]
        [to_tensor(resize_short_side(read_upright(file), style_side)) for file in paintings],
    )
