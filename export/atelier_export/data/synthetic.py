"""Synthetic images, to measure parity and time with."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor


def synthetic_image(height: int, width: int, generator: torch.Generator) -> Tensor:
    """A random image with a photograph's spectrum (amplitude falls with frequency) and grain.

    Returns:
        (1, height, width, 3) uint8, over the whole range from black to white.
    """
    image = sum(_octaves(height, width, generator), torch.zeros(1, 3, height, width))
    low, high = image.amin(), image.amax()
    image = (image - low) / (high - low) * 255
    image += 4 * torch.randn(image.shape, generator=generator)
    return image.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def _octaves(height: int, width: int, generator: torch.Generator) -> Iterator[Tensor]:
    cells = 2
    while cells <= min(height, width):
        noise = torch.randn(1, 3, cells, cells, generator=generator)
        yield F.interpolate(noise, (height, width), mode="bicubic") / cells
        cells *= 2
