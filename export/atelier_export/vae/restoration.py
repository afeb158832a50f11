"""Classic restoration that needs no training, to compare with."""

import numpy as np
from numpy.typing import NDArray
from skimage.filters import median
from skimage.restoration import denoise_nl_means, inpaint_biharmonic

from atelier_export.data.images import Pixels

PATCH, REACH = 5, 6
"""Patches of the non-local means, and how far around they are searched, in pixels."""


def median_filter(image: Pixels) -> Pixels:
    """The median of each pixel's neighbourhood of 3×3, for each colour; (N, N, 3)."""
    filtered: Pixels = median(image, np.ones((3, 3, 1)))  # type: ignore[no-untyped-call]
    return filtered


def non_local_means(image: Pixels, sigma: float) -> Pixels:
    """Means of pixels with similar surroundings (Buades et al. 2005), told how strong the noise is.

    Args:
        image: (N, N, 3).
        sigma: Standard deviation of the noise in levels.

    Returns:
        (N, N, 3).
    """
    share = sigma / 255
    denoised = denoise_nl_means(
        image / 255, patch_size=PATCH, patch_distance=REACH, h=0.6 * share, sigma=share,
        fast_mode=True, channel_axis=2,
    )  # fmt: skip
    return _levels(denoised)


def biharmonic(image: Pixels, holes: NDArray[np.bool_]) -> Pixels:
    """The smoothest surface through what surrounds the holes (Damelin and Hoang 2018).

    Args:
        image: (N, N, 3).
        holes: (N, N), whose places are told to it; the autoencoder has to find them.

    Returns:
        (N, N, 3), unchanged outside the holes.
    """
    return _levels(inpaint_biharmonic(image / 255, holes, channel_axis=2))


def _levels(image: NDArray[np.float64]) -> Pixels:
    levels: Pixels = (image * 255).round().clip(0, 255).astype(np.uint8)
    return levels
