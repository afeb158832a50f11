"""Ways through the latent space of the published autoencoder: between images, and around one."""

import numpy as np

from atelier_export.data.images import Pixels
from atelier_export.vae.image_quality import psnr
from atelier_export.vae.published import PublishedVAE

FRAMES = 24
"""Of a morph that is measured."""
STRENGTHS = (1, 2, 4)
"""Factors of the posterior's deviation in variations that are measured."""


def morph(published: PublishedVAE, first: Pixels, second: Pixels, frames: int) -> Pixels:
    """Images along the line between the posterior means of two, both ends included.

    Args:
        published: The models.
        first: (N, N, 3).
        second: (N, N, 3).
        frames: Number F of images, 2 or more.

    Returns:
        (F, N, N, 3).
    """
    start, end = published.encode(np.stack([first, second]))[0]  # (L,) each
    share = np.linspace(0, 1, frames, dtype=np.float32)[:, None]  # (F, 1)
    return published.decode((1 - share) * start + share * end)


def variations(
    published: PublishedVAE, images: Pixels, strength: float, random: np.random.Generator
) -> Pixels:
    """A sample of each image's posterior, its deviation multiplied by `strength`; (n, N, N, 3)."""
    mean, log_variance = published.encode(images)  # (n, L) each
    noise = random.standard_normal(mean.shape, np.float32)
    return published.decode(mean + np.float32(strength) * np.exp(log_variance / 2) * noise)


def morph_figures(published: PublishedVAE, images: Pixels) -> dict[str, float]:
    """How smooth morphs are, and how well the network knows what lies half way.

    Args:
        published: The models.
        images: (n, N, N, 3); every two that follow one another are a pair.

    Returns:
        `pairs`; `largest_step`, the root of the mean squared change from a frame to the next, the
        largest of a morph as a multiple of its mean; `midpoint`, the PSNR between the image half
        way and what the network rebuilds of it; and `cross_fade`, the same for the mean of both
        images, pixel by pixel.
    """
    steps, midpoints, cross_fades = [], [], []
    for first, second in zip(images[::2], images[1::2], strict=False):
        frames = morph(published, first, second, FRAMES)
        changes = np.diff(frames.astype(np.float64), axis=0)
        change = np.sqrt(np.square(changes).mean(axis=(1, 2, 3)))  # (F - 1,)
        steps.append(change.max() / max(change.mean(), 1e-9))
        middle = frames[FRAMES // 2]
        faded = np.stack([first, second]).mean(axis=0).round().astype(np.uint8)
        rebuilt = published.rebuild(np.stack([middle, faded]))
        midpoints.append(psnr(middle, rebuilt[0]))
        cross_fades.append(psnr(faded, rebuilt[1]))
    return {
        "pairs": len(steps),
        "largest_step": float(np.mean(steps)),
        "midpoint": float(np.mean(midpoints)),
        "cross_fade": float(np.mean(cross_fades)),
    }


def variation_figures(published: PublishedVAE, images: Pixels, seed: int) -> dict[str, float]:
    """PSNR between variations and what is rebuilt without noise, by strength."""
    rebuilt = published.rebuild(images)
    figures = {}
    for strength in STRENGTHS:
        varied = variations(published, images, strength, np.random.default_rng(seed))
        pairs = zip(rebuilt, varied, strict=True)
        figures[str(strength)] = float(np.mean([psnr(*pair) for pair in pairs]))
    return figures
