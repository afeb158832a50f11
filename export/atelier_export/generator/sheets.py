"""Sheets of what the published generator paints."""

from collections.abc import Mapping

import numpy as np
from PIL import Image
from torch import Tensor

from atelier_export.data.images import Pixels
from atelier_export.generator.painter import DEFAULT_TRUNCATION, draw_latents, interpolate_latents
from atelier_export.generator.published import PublishedGenerator
from atelier_export.reports.contact_sheet import Column, contact_sheet

ROWS = 6
"""Samples of each movement."""
STEPS = 8
"""Images of a walk, both ends included."""


def movement_sheet(published: PublishedGenerator, seed: int) -> Image.Image:
    """Samples of each movement, a column a movement, from the same latents in each column."""
    latents = draw_latents(np.random.default_rng(seed), ROWS, published.latent, DEFAULT_TRUNCATION)
    return contact_sheet(
        [
            Column(movement, _images(published.paint(latents, np.full(ROWS, number))))
            for number, movement in enumerate(published.movements)
        ]
    )


def walk_sheet(published: PublishedGenerator, seed: int) -> Image.Image:
    """A row for each movement: the way from one latent to another."""
    random = np.random.default_rng(seed)
    rows = []
    for number in range(len(published.movements)):
        ends = draw_latents(random, 2, published.latent, DEFAULT_TRUNCATION)  # (2, Z)
        walk = interpolate_latents(ends[0], ends[1], STEPS)  # (STEPS, Z)
        rows.append(_images(published.paint(walk, np.full(STEPS, number))))
    return contact_sheet(
        [Column(f"{step / (STEPS - 1):.2f}", [row[step] for row in rows]) for step in range(STEPS)]
    )


def nearest_sheet(samples: Tensor, neighbours: Mapping[str, Tensor]) -> Image.Image:
    """Samples (n, 3, N, N) uint8 beside training paintings, (n, 3, N, N) uint8 by heading."""
    columns = {"sample": samples, **neighbours}
    return contact_sheet(
        [
            Column(heading, _images(images.permute(0, 2, 3, 1).numpy()))
            for heading, images in columns.items()
        ]
    )


def _images(pixels: Pixels) -> list[Image.Image]:
    """Images of (n, N, N, 3)."""
    return [Image.fromarray(np.ascontiguousarray(each)) for each in pixels]
