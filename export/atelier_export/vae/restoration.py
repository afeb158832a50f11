"""Classic restoration that needs no training, to compare with."""

import numpy as np
from numpy.typing import NDArray
from skimage.filters import median
from skimage.measure import block_reduce
from skimage.restoration import denoise_nl_means, inpaint_biharmonic
from skimage.transform import resize

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


def pull_push(image: Pixels, holes: NDArray[np.bool_]) -> Pixels:
    """Holes from coarser and coarser means around them (Gortler et al. 1996, section 3.4).

    It is what the client's `fill` gives to the autoencoder; a test holds both to the same pixels.

    Args:
        image: (N, N, 3).
        holes: (N, N), not all of it.

    Returns:
        (N, N, 3), unchanged outside the holes.
    """
    return _levels(_pulled_and_pushed(image / 255, ~holes[..., None]))


def _pulled_and_pushed(image: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Image (H, W, 3), known (H, W, 1); H and W are made even."""
    if known.all():
        return image
    height, width, _ = image.shape
    even = ((0, height % 2), (0, width % 2), (0, 0))
    weight = _blocks(np.pad(known, even).astype(np.float64))
    total = _blocks(np.pad(image * known, even))
    coarse = _pulled_and_pushed(total / np.maximum(weight, 1), weight > 0)
    shape = (2 * coarse.shape[0], 2 * coarse.shape[1], 3)
    smooth = resize(coarse, shape, order=1, mode="edge")  # type: ignore[no-untyped-call]
    return np.where(known, image, smooth[:height, :width])


def _blocks(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums of 2×2."""
    sums: NDArray[np.float64] = block_reduce(image, (2, 2, 1), np.sum)  # type: ignore[no-untyped-call]
    return sums


def _levels(image: NDArray[np.float64]) -> Pixels:
    levels: Pixels = (image * 255).round().clip(0, 255).astype(np.uint8)
    return levels
