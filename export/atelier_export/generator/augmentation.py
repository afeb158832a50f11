"""Differentiable augmentation of what the discriminator sees, real or generated.

Translation and cutout of Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN
Training", arXiv:2006.10738: they keep a discriminator from learning few images by heart, and
gradients pass through them to the generator.
"""

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor


def augment(maps: Tensor, random: np.random.Generator, translation: float, cutout: float) -> Tensor:
    """Moves each map and blanks a square of it, (B, C, S, S).

    Args:
        maps: (B, C, S, S).
        random: Where places are drawn from.
        translation: Longest way in each direction, as a share of the side.
        cutout: Side of the square, as a share of the side; 0 blanks nothing.
    """
    count, side = len(maps), maps.shape[-1]
    reach, hole = round(translation * side), round(cutout * side)
    if reach:
        ways = random.integers(-reach, reach, (count, 2), endpoint=True)
        maps = translate(maps, torch.from_numpy(ways).to(maps.device))
    if hole:
        # The square's middle is anywhere in the map, so that it may lie across the border.
        corners = random.integers(0, side, (count, 2)) - hole // 2
        maps = cut_out(maps, torch.from_numpy(corners).to(maps.device), hole)
    return maps


def translate(maps: Tensor, ways: Tensor) -> Tensor:
    """Moves maps (B, C, S, S) down and to the right by whole steps (B, 2) int64, zeros behind."""
    side = maps.shape[-1]
    place = torch.arange(side, device=maps.device)  # (S,)
    # Where each row and each column comes from; the padding's border for those from outside.
    rows = (place - ways[:, :1] + 1).clamp(0, side + 1)  # (B, S)
    columns = (place - ways[:, 1:] + 1).clamp(0, side + 1)  # (B, S)
    padded = F.pad(maps, (1, 1, 1, 1)).permute(0, 2, 3, 1)  # (B, S+2, S+2, C)
    batch = torch.arange(len(maps), device=maps.device)[:, None, None]
    moved = padded[batch, rows[:, :, None], columns[:, None, :]]  # (B, S, S, C)
    return moved.permute(0, 3, 1, 2)


def cut_out(maps: Tensor, corners: Tensor, hole: int) -> Tensor:
    """Blanks squares of side `hole` with their upper left corners at (B, 2) int64."""
    place = torch.arange(maps.shape[-1], device=maps.device)  # (S,)
    inside = (place >= corners[:, :, None]) & (place < corners[:, :, None] + hole)  # (B, 2, S)
    holes = inside[:, 0, :, None] & inside[:, 1, None, :]  # (B, S, S)
    return maps.masked_fill(holes[:, None], 0)
