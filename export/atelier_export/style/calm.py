"""How calmly a style network paints a film: what a small move and a little noise change.

Without it, patches of pixels that are painted together draw a grid that stands still while the
picture moves (the aliasing of Zhang 2019, "Making Convolutional Networks Shift-Invariant Again",
arXiv:1904.11486). As a term of the loss it is the stability loss of Zheng et al. 2016
(arXiv:1604.04326).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

NOISE = 2
"""Largest noise in levels of 255, about that of a good camera."""


@dataclass(frozen=True)
class Move:
    """A view of a picture beside the one at the upper left.

    Attributes:
        down: Pixels down, 0 or more.
        right: Pixels to the right, 0 or more.
    """

    down: int
    right: int

    def views(self, pictures: Tensor, side: int) -> tuple[Tensor, Tensor]:
        """Two squares of `side` pixels: the one at the upper left, and the moved one."""
        return (
            pictures[..., :side, :side],
            pictures[..., self.down : self.down + side, self.right : self.right + side],
        )

    def common(self, first: Tensor, moved: Tensor) -> tuple[Tensor, Tensor]:
        """What both views show, in the same place."""
        height, width = first.shape[-2:]
        return (
            first[..., self.down :, self.right :],
            moved[..., : height - self.down, : width - self.right],
        )


def with_noise(pictures: Tensor, random: torch.Generator) -> Tensor:
    """Pictures in 0..1 with even noise of up to ±`NOISE` levels."""
    noise = torch.rand(pictures.shape, generator=random).to(pictures.device)
    return (pictures + NOISE / 255 * (2 * noise - 1)).clamp(0, 1)


def calm_distance(first: Tensor, moved: Tensor, move: Move) -> Tensor:
    """Mean absolute difference of two views where they show the same.

    Args:
        first: (B, C, H, W), painted from the view at the upper left.
        moved: (B, C, H, W), painted from the moved view.
        move: How it was moved.

    Returns:
        (B,), in the units of the pictures.
    """
    one, other = move.common(first, moved)
    return (one - other).abs().mean(dim=(1, 2, 3))
