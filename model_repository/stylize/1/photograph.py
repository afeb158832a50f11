"""What the painting takes back from the photograph: its size and, where asked for, its colours."""

import numpy as np
import numpy.typing as npt
from PIL import Image

MAX_CONTRAST = 4.0
"""How much the strokes' contrast is raised at most: a painting that is all but even stays so."""

_STRIP_PIXELS = 1 << 15
_LEVELS = np.arange(256)


def resized(painting: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
    """The painting at another size.

    Args:
        painting: UINT8 (h, w, 3) RGB.
        height: H, in pixels.
        width: W, in pixels.

    Returns:
        UINT8 (H, W, 3), contiguous.
    """
    if painting.shape[:2] == (height, width):
        return painting
    image = Image.fromarray(painting).resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(image)


def with_colours_of(
    photograph: npt.NDArray[np.uint8], painting: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint8]:
    """The photograph's colours with the painting's strokes.

    Only the luminance is the painting's (Gatys et al. 2016, "Preserving Color in Neural Artistic
    Style Transfer", section 3.2), here that of the finished painting. Its mean becomes that of the
    photograph. Its deviation becomes that of the photograph where it was smaller, and stays where
    it was larger: made smaller, it takes the force out of strong strokes. A painting that is the
    photograph leaves the photograph as it is, to the bit.

    Args:
        photograph: UINT8 (H, W, 3) RGB.
        painting: UINT8 (h, w, 3) RGB.

    Returns:
        UINT8 (H, W, 3), contiguous.
    """
    height, width = photograph.shape[:2]
    own = Image.fromarray(photograph).convert("L")
    painted = Image.fromarray(painting).convert("L")
    if painted.size != own.size:
        painted = painted.resize(own.size, Image.Resampling.LANCZOS)
    levels = _matched_levels(painted.histogram(), own.histogram())
    before, after = np.asarray(own), np.asarray(painted)
    result = np.empty_like(photograph, order="C")
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        strip = slice(top, top + rows)
        # In YCbCr as in YIQ, what is added to Y is added to red, green and blue alike.
        change = levels[after[strip]] - before[strip]
        sums = change.repeat(3, axis=1).reshape(-1, width, 3)
        sums += photograph[strip]
        np.clip(sums, 0, 255, out=sums)
        result[strip] = sums
    return result


def _matched_levels(painted: list[int], own: list[int]) -> npt.NDArray[np.int16]:
    """For each of the 256 levels of the painting's luminance its new one, INT16, any sign."""
    (mean, deviation), (own_mean, own_deviation) = _statistics(painted), _statistics(own)
    contrast = 1.0
    if 0 < deviation < own_deviation:
        contrast = min(own_deviation / deviation, MAX_CONTRAST)
    levels: npt.NDArray[np.float64] = np.rint((_LEVELS - mean) * contrast + own_mean)
    return levels.astype(np.int16)


def _statistics(histogram: list[int]) -> tuple[float, float]:
    counts = np.asarray(histogram)
    mean = np.average(_LEVELS, weights=counts)
    return mean, np.sqrt(np.average((_LEVELS - mean) ** 2, weights=counts))
