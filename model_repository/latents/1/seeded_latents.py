"""Latents and movements from seeds, the same ones wherever and whenever they are drawn.

Every image of a seed has a random stream of its own, that of Philox 4x64 (Salmon et al. 2011,
"Parallel Random Numbers: As Easy as 1, 2, 3"): numpy changes the raw numbers of a generator never,
while those of its distributions may change with any release.
"""

from statistics import NormalDist

import numpy as np
import numpy.typing as npt

_NORMAL = NormalDist()


def seeded_latent(seed: int, index: int, length: int, truncation: float) -> npt.NDArray[np.float32]:
    """The latent of an image: independent values of the truncated standard normal distribution.

    They are the quantiles of uniform numbers, so that a smaller truncation draws the same latent
    nearer to 0, and nothing has to be drawn anew.

    Args:
        seed: 0 to 2**64 - 1.
        index: Number of the image among those of the seed, 0 to 2**64 - 1.
        length: Z.
        truncation: Largest absolute value, above 0.

    Returns:
        FP32 (Z,). The logarithm and the error function are those of the machine; where they differ
        in the last bit of a double, one FP32 value in a hundred million may do so as well.
    """
    # The odd multiples of 2**-53: exact, and neither 0 nor 1, whose quantiles are infinite.
    uniform = ((_words(seed, index, 1 + length)[1:] >> np.uint64(12)) + 0.5) * 2.0**-52
    low = _NORMAL.cdf(-truncation)
    quantiles = low + (1 - 2 * low) * uniform
    return np.array([_NORMAL.inv_cdf(each) for each in quantiles.tolist()], np.float32)


def seeded_movement(seed: int, index: int, movements: int) -> int:
    """The movement of an image, 0 to `movements` - 1, one as likely as another."""
    return int(_words(seed, index, 1)[0]) * movements >> 64


def _words(seed: int, index: int, count: int) -> npt.NDArray[np.uint64]:
    """The first words of an image's stream, UINT64 (count,): its movement, then its latent."""
    # The first of the four numbers of the counter goes on with the stream.
    counter = np.array([0, 0, index, 0], np.uint64)
    words: npt.NDArray[np.uint64] = np.random.Philox(key=seed, counter=counter).random_raw(count)
    return words
