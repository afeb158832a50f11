"""Holes filled smoothly from what surrounds them, which is what the autoencoder starts from."""

import numpy as np
import numpy.typing as npt

_GREY = 128


def pull_push(image: npt.NDArray[np.uint8], holes: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """Fills holes from coarser and coarser means (Gortler et al. 1996, section 3.4).

    Args:
        image: (H, W, 3).
        holes: (H, W).

    Returns:
        (H, W, 3), unchanged outside the holes; grey if there is nothing outside.
    """
    if holes.all():
        return np.full_like(image, _GREY)
    filled = _filled(image.astype(np.float64), ~holes[..., None])
    pixels: npt.NDArray[np.uint8] = filled.round().astype(np.uint8)
    return pixels


def _filled(
    image: npt.NDArray[np.float64], known: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    if known.all():
        return image
    height, width, _ = image.shape
    # Pull: means of the known pixels of 2×2, of an even size.
    even = ((0, height % 2), (0, width % 2), (0, 0))
    weight = _blocks(np.pad(known, even).astype(np.float64))  # (H/2, W/2, 1)
    total = _blocks(np.pad(image * known, even))  # (H/2, W/2, 3)
    coarse = _filled(total / np.maximum(weight, 1), weight > 0)
    # Push: what is unknown comes from there, smoothly.
    smooth = _doubled(_doubled(coarse, 0), 1)[:height, :width]
    filled: npt.NDArray[np.float64] = np.where(known, image, smooth)
    return filled


def _blocks(image: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    height, width, channels = image.shape
    sums: npt.NDArray[np.float64] = image.reshape(
        height // 2, 2, width // 2, 2, channels
    ).sum(axis=(1, 3))  # fmt: skip
    return sums


def _doubled(image: npt.NDArray[np.float64], axis: int) -> npt.NDArray[np.float64]:
    """Twice as long along an axis, linearly interpolated."""
    count = image.shape[axis]
    before = image.take(np.maximum(np.arange(count) - 1, 0), axis)
    after = image.take(np.minimum(np.arange(count) + 1, count - 1), axis)
    pairs = np.stack([0.75 * image + 0.25 * before, 0.75 * image + 0.25 * after], axis + 1)
    shape = list(image.shape)
    shape[axis] *= 2
    return pairs.reshape(shape)
