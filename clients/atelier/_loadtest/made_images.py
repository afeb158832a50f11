"""Images for those who have no photographs at hand."""

from typing import Final

import numpy as np
from PIL import Image

_SIDE: Final = 1024
_OCTAVES: Final = 7


def made_image(number: int) -> Image.Image:
    """An image of 1024×1024 with detail at every scale, as photographs have it.

    Noise whose amplitude falls with its frequency: JPEG files of it are about as large as those of
    photographs, which those of plain noise are not.
    """
    random = np.random.default_rng(number)
    pixels = np.zeros((_SIDE, _SIDE, 3))
    for octave in range(_OCTAVES):
        side = 4 * 2**octave
        noise = random.integers(0, 256, (side, side, 3), dtype=np.uint8)
        smooth = Image.fromarray(noise).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
        pixels += (np.asarray(smooth, np.float64) - 128) * 0.6**octave
    return Image.fromarray(np.clip(pixels + 128, 0, 255).astype(np.uint8))
