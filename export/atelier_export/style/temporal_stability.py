"""Temporal stability: how little a painting changes under a small move and a little noise.

Without it, patches of pixels that are painted together form a grid that stays in place while the
image moves (the aliasing of Zhang 2019, "Making Convolutional Networks Shift-Invariant Again",
arXiv:1904.11486). As a term of the loss it is the stability loss of Zheng et al. 2016
(arXiv:1604.04326).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

NOISE = 2
"""Largest noise in levels of 255, about a good camera's."""


@dataclass(frozen=True)
class Move:
    """The offset of a view of an image from the one at the upper left.

    Attributes:
        down: Pixels down, 0 or more.
        right: Pixels to the right, 0 or more.
    """

    down: int
    right: int

    def views(self, images: Tensor, side: int) -> tuple[Tensor, Tensor]:
        """Two crops of `side` pixels: the one at the upper left, and the moved one."""
        return (
            images[..., :side, :side],
            images[..., self.down : self.down + side, self.right : self.right + side],
        )

    def common(self, first: Tensor, moved: Tensor) -> tuple[Tensor, Tensor]:
        """The overlap of the two views, cut from each."""
        height, width = first.shape[-2:]
        return (
            first[..., self.down :, self.right :],
            moved[..., : height - self.down, : width - self.right],
        )


def with_noise(images: Tensor, random: torch.Generator) -> Tensor:
    """Images in 0..1 with uniform noise of up to ±`NOISE` levels."""
    noise = torch.rand(images.shape, generator=random).to(images.device)
    return (images + NOISE / 255 * (2 * noise - 1)).clamp(0, 1)


def stability_distance(first: Tensor, moved: Tensor, move: Move) -> Tensor:
    """Mean absolute difference of two views on their overlap.

    Args:
        first: (B, C, H, W), painted from the view at the upper left.
        moved: (B, C, H, W), painted from the moved view.
        move: The move.

    Returns:
        (B,), in the units of the images.
    """
    first, moved = move.common(first, moved)
    return (first - moved).abs().mean(dim=(1, 2, 3))
