"""What a denoising autoencoder learns to mend: noise, and holes.

The encoder sees the corrupted image, the likelihood is that of the clean one (Im et al. 2017,
"Denoising Criterion for Variational Auto-Encoding Framework", arXiv:1511.06406).
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from atelier_export.data.images import Pixels

GREY_LEVEL = 128
"""What holes are filled with, of 255."""
GREY = GREY_LEVEL / 255
RECTANGLES = 3
"""Most rectangles in an image."""
STROKES = 4
"""Most strokes in an image."""
CORNERS = 6
"""Most corners of a stroke."""


def add_noise(image: Tensor, sigma: float, random: np.random.Generator) -> Tensor:
    """Gaussian noise, rounded and cut off as in a file of 8 bits.

    Args:
        image: (…), in 0..1.
        sigma: Standard deviation in levels, of 255.
        random: Where the noise is drawn from.

    Returns:
        As given, multiples of 1/255.
    """
    noise = torch.from_numpy(random.standard_normal(tuple(image.shape), np.float32))
    return ((image * 255 + sigma * noise).round() / 255).clamp(0, 1)


def random_holes(side: int, random: np.random.Generator) -> Tensor:
    """Where an image of `side`×`side` has holes: rectangles, or strokes of a brush.

    The strokes are those of free-form inpainting (Yu et al. 2019, arXiv:1806.03589, appendix).

    Returns:
        (1, side, side) bool.
    """
    mask = Image.new("L", (side, side))
    draw = ImageDraw.Draw(mask)
    if random.random() < 0.5:
        _draw_rectangles(draw, side, random)
    else:
        _draw_strokes(draw, side, random)
    return torch.from_numpy(np.array(mask) > 0)[None]


def _draw_rectangles(draw: ImageDraw.ImageDraw, side: int, random: np.random.Generator) -> None:
    for _ in range(random.integers(1, RECTANGLES, endpoint=True)):
        width, height = (random.uniform(0.1, 0.35, 2) * side).tolist()
        left, top = (random.uniform(0, 1, 2) * (side - width, side - height)).tolist()
        draw.rectangle((left, top, left + width, top + height), fill=1)


def _draw_strokes(draw: ImageDraw.ImageDraw, side: int, random: np.random.Generator) -> None:
    for _ in range(random.integers(1, STROKES, endpoint=True)):
        x, y = (random.uniform(0.1, 0.9, 2) * side).tolist()
        angle = random.uniform(0, 2 * math.pi)
        radius = max(1, random.uniform(0.015, 0.05) * side)
        corners = [(x, y)]
        for _ in range(random.integers(1, CORNERS, endpoint=True)):
            angle += random.uniform(-1, 1) * math.pi / 2
            length = random.uniform(0.05, 0.25) * side
            x, y = x + length * math.cos(angle), y + length * math.sin(angle)
            corners.append((x, y))
        draw.line(corners, fill=1, width=round(2 * radius))
        for x, y in corners:
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=1)


def fill_holes(image: Tensor, holes: Tensor) -> Tensor:
    """Grey where there are holes.

    Args:
        image: (…, C, H, W), in 0..1.
        holes: (…, 1, H, W) bool.
    """
    return torch.where(holes, GREY, image)


def corrupt(image: Tensor, random: np.random.Generator, share: float, noise: float) -> Tensor:
    """Noise or holes, one image as often as the other, in the first images of a batch.

    Args:
        image: (B, C, N, N), in 0..1.
        random: Where all is drawn from.
        share: Of the images that are corrupted, 0..1.
        noise: Highest standard deviation of the noise in levels; each image has one of its own.

    Returns:
        As given.
    """
    corrupted = image.clone()
    for place in range(round(share * len(image))):
        if random.random() < 0.5:
            corrupted[place] = add_noise(image[place], random.uniform(0, noise), random)
        else:
            corrupted[place] = fill_holes(image[place], random_holes(image.shape[-1], random))
    return corrupted


def noisy_pixels(images: Pixels, sigma: float, random: np.random.Generator) -> Pixels:
    """Images (…) uint8 with noise, see `add_noise`."""
    noisy = add_noise(torch.from_numpy(images).float() / 255, sigma, random)
    pixels: Pixels = (noisy * 255).round().to(torch.uint8).numpy()
    return pixels


def damaged_pixels(images: Pixels, holes: NDArray[np.bool_]) -> Pixels:
    """Images (…, N, N, 3) uint8, grey where there are holes (…, N, N)."""
    return np.where(holes[..., None], np.uint8(GREY_LEVEL), images)
