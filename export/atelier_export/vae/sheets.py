"""Sample sheets of the published autoencoder, to judge it by eye."""

import numpy as np
from PIL import Image

from atelier_export.data.images import Pixels
from atelier_export.reports.contact_sheet import Column, contact_sheet
from atelier_export.vae.corruption import damaged_pixels, noisy_pixels, random_holes
from atelier_export.vae.published import PublishedVAE
from atelier_export.vae.restoration import pull_push
from atelier_export.vae.walks import morph, variations

SIGMA = 25
"""Standard deviation of the noise, of 255."""
FRAMES = 8
"""Of a morph."""
STRENGTH = 5
"""Of the variations."""
VARIATIONS = 3
"""Of an image."""


def restored_sheet(published: PublishedVAE, images: Pixels, seed: int) -> Image.Image:
    """Each image, rebuilt; with noise, and mended; with holes, and filled.

    Args:
        published: The models.
        images: (n, N, N, 3).
        seed: Of noise and holes.
    """
    random = np.random.default_rng(seed)
    noisy = noisy_pixels(images, SIGMA, random)
    holes = np.stack([random_holes(len(each), random)[0].numpy() for each in images])  # (n, N, N)
    damaged = damaged_pixels(images, holes)
    smooth = np.stack([pull_push(*pair) for pair in zip(damaged, holes, strict=True)])
    filled = np.where(holes[..., None], published.rebuild(smooth), images)
    columns = {
        "image": images,
        "rebuilt": published.rebuild(images),
        f"noise, {SIGMA} levels": noisy,
        "mended": published.rebuild(noisy),
        "holes": damaged,
        "filled": filled,
    }
    return contact_sheet([Column(name, _shown(each)) for name, each in columns.items()])


def morph_sheet(published: PublishedVAE, images: Pixels) -> Image.Image:
    """Each image turns into the next one, the last into the first."""
    others = np.roll(images, -1, axis=0)
    rows = [morph(published, *pair, FRAMES) for pair in zip(images, others, strict=True)]
    columns = np.stack(rows, axis=1)  # (F, n, N, N, 3)
    shares = np.linspace(0, 1, FRAMES)
    return contact_sheet(
        [Column(f"{share:.0%}", _shown(each)) for share, each in zip(shares, columns, strict=True)]
    )


def variation_sheet(published: PublishedVAE, images: Pixels, seed: int) -> Image.Image:
    """Each image, rebuilt, and variations of it."""
    random = np.random.default_rng(seed)
    columns = {"image": images, "rebuilt": published.rebuild(images)}
    for number in range(VARIATIONS):
        varied = variations(published, images, STRENGTH, random)
        columns[f"variation {number + 1}"] = varied
    return contact_sheet([Column(name, _shown(each)) for name, each in columns.items()])


def _shown(images: Pixels) -> list[Image.Image]:
    return [Image.fromarray(each) for each in images]
