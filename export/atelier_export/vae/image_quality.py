"""How near an image is to another: PSNR and SSIM."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from atelier_export.data.images import Pixels


def psnr(image: Pixels, other: Pixels, where: NDArray[np.bool_] | None = None) -> float:
    """Peak signal-to-noise ratio, 10 log10(255² / mean squared error), in decibels.

    Args:
        image: (N, N, 3).
        other: (N, N, 3).
        where: (N, N), the pixels that count; without it, all.

    Returns:
        At most that of images that differ by one level in one place.
    """
    squared = np.square(image.astype(np.float64) - other)
    error = squared.mean() if where is None else squared[where].mean()
    return float(10 * np.log10(255**2 / max(error, 1 / squared.size)))


def ssim(image: Pixels, other: Pixels) -> float:
    """Structural similarity (Wang et al. 2004, with their Gaussian window of 11×11), mean of RGB.

    Args:
        image: (N, N, 3), N at least 11.
        other: (N, N, 3).

    Returns:
        At most 1, for equal images.
    """
    return float(
        structural_similarity(  # type: ignore[no-untyped-call]
            image, other, data_range=255, channel_axis=2, gaussian_weights=True, sigma=1.5,
            use_sample_covariance=False,
        )
    )  # fmt: skip


def quality_figures(images: Iterable[Pixels], others: Iterable[Pixels]) -> dict[str, float]:
    """Means of PSNR and SSIM over pairs of images."""
    pairs = list(zip(images, others, strict=True))
    return {
        "psnr": float(np.mean([psnr(*pair) for pair in pairs])),
        "ssim": float(np.mean([ssim(*pair) for pair in pairs])),
    }
