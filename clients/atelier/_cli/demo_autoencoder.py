"""What `atelier demo` shows of the autoencoder: images rebuilt, mended, and turned into others."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from atelier._cli.contact_sheet import contact_sheet
from atelier._client import Client

_SIGMA = 25
"""Standard deviation of the noise, of 255."""
_SEED = 0


def mended_sheet(art: Client, images: Sequence[tuple[str, Image.Image]]) -> Image.Image:
    """Images by their names: rebuilt; with noise, and without it again; with holes, and filled."""
    random = np.random.default_rng(_SEED)
    rows = []
    for name, image in images:
        rebuilt = art.reconstruct(image)
        noisy = _with_noise(image.resize(rebuilt.size), random)
        mask = _stroke(image.size)
        filled = art.fill(image, mask)
        damaged = image.copy()
        damaged.paste("white", mask=mask)
        rows.append((name, [image, rebuilt, noisy, art.denoise(noisy), damaged, filled]))
    columns = ["photograph", "rebuilt", f"noise, {_SIGMA} levels", "mended", "hole", "filled"]
    return contact_sheet(columns, rows)


def save_morph(art: Client, images: Sequence[Image.Image], path: Path, frames: int = 12) -> None:
    """Writes an endless GIF in which each image turns into the next, and the last into the first.

    Args:
        art: The client.
        images: Two or more.
        path: The file.
        frames: Of each way from one image to the next.
    """
    shown: list[Image.Image] = []
    for first, second in zip(images, [*images[1:], images[0]], strict=True):
        shown += art.interpolate(first, second, frames + 1)[:-1]
    shown[0].save(path, save_all=True, append_images=shown[1:], duration=80, loop=0)


def _with_noise(image: Image.Image, random: np.random.Generator) -> Image.Image:
    noise = random.normal(0, _SIGMA, (image.height, image.width, 3))
    return Image.fromarray((np.asarray(image) + noise).round().clip(0, 255).astype(np.uint8))


def _stroke(size: tuple[int, int]) -> Image.Image:
    """White along a stroke through the middle, of an image's size."""
    width, height = size
    mask = Image.new("L", size)
    corners = [(0.3, 0.35), (0.45, 0.55), (0.6, 0.45), (0.7, 0.65)]
    points = [(x * width, y * height) for x, y in corners]
    ImageDraw.Draw(mask).line(points, 255, width=max(width, height) // 25, joint="curve")
    return mask
