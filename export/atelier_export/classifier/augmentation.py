"""Crops, mirroring, jitter of colours, and mixup, on whole batches."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor


@dataclass(frozen=True)
class Windows:
    """The windows of images that crops show, as shares of the images' sides.

    Attributes:
        start: (B, 2), left and top.
        size: (B, 2), width and height.
    """

    start: Tensor
    size: Tensor


def random_windows(random: np.random.Generator, count: int, smallest: float) -> Windows:
    """Windows with sides from `smallest` to 1, drawn each on its own, anywhere in the image."""
    size = random.uniform(smallest, 1, (count, 2))
    start = random.uniform(0, 1, (count, 2)) * (1 - size)
    return Windows(torch.from_numpy(start).float(), torch.from_numpy(size).float())


def crop(images: Tensor, windows: Windows, mirrored: Tensor, side: int) -> Tensor:
    """Samples windows of images (bilinear).

    Args:
        images: (B, 3, H, W), any range.
        windows: B windows.
        mirrored: (B,) bool.
        side: Side of the crops in pixels.

    Returns:
        (B, 3, side, side).
    """
    # In the coordinates of grid_sample the image reaches from -1 to 1.
    center = 2 * windows.start + windows.size - 1  # (B, 2)
    width, height = windows.size.unbind(dim=1)  # (B,) each
    scale = torch.stack([torch.where(mirrored, -width, width), height], dim=1)  # (B, 2)
    transform = torch.cat([torch.diag_embed(scale), center[:, :, None]], dim=2)  # (B, 2, 3)
    grid = F.affine_grid(transform, [len(images), 3, side, side], align_corners=False)
    crops: Tensor = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    return crops


def jitter_colors(images: Tensor, random: np.random.Generator, jitter: float) -> Tensor:
    """Changes brightness, contrast and saturation of each image, (B, 3, H, W) in 0..1."""
    factors = torch.from_numpy(random.uniform(1 - jitter, 1 + jitter, (3, len(images), 1, 1, 1)))
    brightness, contrast, saturation = factors.float().unbind(dim=0)  # (B, 1, 1, 1) each
    grey = images.mean(dim=1, keepdim=True)  # (B, 1, H, W)
    mean = grey.mean(dim=(2, 3), keepdim=True)  # (B, 1, 1, 1)
    images = grey + (images - grey) * saturation
    return ((images - mean) * contrast + mean * brightness).clamp(0, 1)


def mixup(
    images: Tensor, targets: Tensor, random: np.random.Generator, alpha: float
) -> tuple[Tensor, Tensor]:
    """Mixes each image and its target with those of the next (Zhang et al. 2018).

    Args:
        images: (B, 3, H, W).
        targets: (B, K).
        random: Where the shares are drawn from.
        alpha: Both parameters of their beta distribution, above 0.

    Returns:
        As given.
    """
    shares = torch.from_numpy(random.beta(alpha, alpha, len(images))).float()
    shares = torch.maximum(shares, 1 - shares)  # the first image of a pair is the larger part
    mixed = torch.lerp(images.roll(1, 0), images, shares[:, None, None, None])
    return mixed, torch.lerp(targets.roll(1, 0), targets, shares[:, None])
