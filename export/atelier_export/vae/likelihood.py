"""Likelihoods p(x|z) of pixels, as probabilities (not densities), in nats.

Each is a module with two functions of a `location`, which the decoder gives: the log-likelihood of
an image, and the image that is shown for it.
"""

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

LEVELS = 255
"""The highest level of a pixel; the lowest is 0."""
INITIAL_SCALE = 64.0
"""In levels: about the mean distance of a pixel from the grey that an untrained decoder gives."""


class DiscretisedLaplace(nn.Module):
    """A Laplace distribution, integrated over each level of a pixel; its scale is learnt.

    P(x) is the distribution's mass between x - 1/2 and x + 1/2 levels; the levels 0 and 255 have
    the tails as well, so that the 256 probabilities add up to 1. So a code for the image exists
    that takes -log2 P(x) bits (as with the logistic distribution of Salimans et al. 2017,
    arXiv:1701.05517, section 2.1). One scale for all pixels weighs the reconstruction against the
    KL divergence (Rybkin et al. 2021, arXiv:2006.13202).
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(INITIAL_SCALE)))

    @property
    def scale(self) -> Tensor:
        """The scale b of the density exp(-|x - location| / b) / 2b, in levels."""
        return self.log_scale.exp()

    def forward(self, location: Tensor, image: Tensor) -> Tensor:
        """The log-likelihood of images.

        Args:
            location: (B, C, H, W) float32; the image that the distribution is centred at, less
                1/2, so that 0 is grey.
            image: (B, C, H, W) in 0..1, multiples of 1/255.

        Returns:
            (B,) in nats.
        """
        level = (image * LEVELS).round()  # (B, C, H, W)
        center, half = (location + 0.5) * LEVELS, 0.5 / self.scale
        distance = (level - center).abs() / self.scale
        # Mass within 1/2 of the level, where the center is outside, and where it is inside.
        outside = -distance + half + torch.log(-torch.expm1(-2 * half)) - math.log(2)
        inner = torch.minimum(distance, half)
        inside = torch.log(-(torch.expm1(inner - half) + torch.expm1(-inner - half)) / 2)
        log_mass = torch.where(distance < half, inside, outside)
        # The lowest and the highest level with the tail beyond them.
        log_mass = torch.where(level == 0, _log_cdf((0.5 - center) / self.scale), log_mass)
        log_mass = torch.where(
            level == LEVELS, _log_cdf((center - LEVELS + 0.5) / self.scale), log_mass
        )
        return log_mass.sum(dim=(1, 2, 3))

    def image(self, location: Tensor) -> Tensor:
        """The median image, (B, C, H, W) in 0..1."""
        return (location + 0.5).clamp(0, 1)


def _log_cdf(x: Tensor) -> Tensor:
    """Logarithm of the distribution function of the standard Laplace distribution."""
    return torch.where(x <= 0, x - math.log(2), torch.log1p(-(-x.clamp_min(0)).exp() / 2))


class Bernoulli(nn.Module):
    """Pixels that are black or white; the location is their log-odds of being white."""

    def forward(self, location: Tensor, image: Tensor) -> Tensor:
        """The log-likelihood (B,) in nats of images (B, C, H, W), each value 0 or 1."""
        entropy = F.binary_cross_entropy_with_logits(location, image, reduction="none")
        return -entropy.sum(dim=(1, 2, 3))

    def image(self, location: Tensor) -> Tensor:
        """The probabilities of white, (B, C, H, W)."""
        return location.sigmoid()
