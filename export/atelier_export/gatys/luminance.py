"""Painting in the photograph's own colours (Gatys et al. 2016, arXiv:1606.05897, section 3.2).

The style is transferred in the luminance alone, Y of YIQ; the photograph keeps its I and Q.
"""

import torch
from torch import Tensor

_Y = (0.299, 0.587, 0.114)


def luminance(image: Tensor) -> Tensor:
    """Y of an image (3, H, W), as a grey image (3, H, W); 0..1 stays 0..1."""
    weights = torch.tensor(_Y, device=image.device)
    return torch.einsum("c,chw->hw", weights, image).expand_as(image)


def match_luminance(painting: Tensor, photograph: Tensor) -> Tensor:
    """The painting's luminance with the mean and standard deviation of the photograph's.

    So the style is matched within the photograph's own tonal range.

    Args:
        painting: (3, H, W), RGB in 0..1.
        photograph: (3, h, w), RGB in 0..1.

    Returns:
        A grey image (3, H, W); it may exceed 0..1 a little.
    """
    target, source = luminance(photograph), luminance(painting)
    scale = target.std() / source.std().clamp_min(1e-6)
    return (source - source.mean()) * scale + target.mean()


def with_luminance(photograph: Tensor, painted: Tensor) -> Tensor:
    """The photograph's colours with the luminance of another image, (3, H, W) in 0..1 each.

    The same value added to R, G and B changes Y by that value, and neither I nor Q.
    """
    return (photograph + luminance(painted) - luminance(photograph)).clamp(0, 1)
