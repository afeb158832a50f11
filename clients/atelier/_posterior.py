"""What an encoder makes of an image: a distribution of latents, and samples of it."""

from dataclasses import dataclass
from typing import Final, SupportsFloat, SupportsIndex, TypeAlias

import numpy as np
import numpy.typing as npt

from atelier._numbers import number_between, whole_number

MAX_STRENGTH: Final = 100.0
"""Posterior deviations; far more than leaves anything of an image."""
Latents: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Posterior:
    """The latents that an image may have: a Gaussian for each of their L numbers.

    Example:
        >>> with Client("localhost:8001") as art:
        ...     posterior = art.encode("photo.jpg")
        ...     image = art.decode(posterior)
        ...     another = art.decode(posterior.sample(seed=0))

    Attributes:
        mean: (L,) float32, the latent to take.
        log_variance: (L,) float32, the logarithm of the variance of each number.
        version: The version of the models. A latent means nothing to any other.
    """

    mean: Latents
    log_variance: Latents
    version: str

    def sample(self, seed: SupportsIndex = 0, strength: SupportsFloat = 1.0) -> Latents:
        """A latent drawn at random: mean + strength · exp(log_variance / 2) · noise.

        Args:
            seed: 0 or more; the same seed draws the same noise.
            strength: 0 to 100, the factor of the deviation: 0 is the mean, 1 the posterior itself.

        Returns:
            (L,) float32.

        Raises:
            InvalidRequest: `seed` or `strength` is out of its range.
            TypeError: `seed` is no whole number, or `strength` no number.
        """
        (latent,) = samples(self, 1, checked_seed(seed), checked_strength(strength))
        return np.asarray(latent)


def checked_seed(seed: SupportsIndex) -> int:
    """The seed as an int.

    Raises:
        InvalidRequest: It is below 0.
        TypeError: It is no whole number.
    """
    return whole_number("seed", seed, 0)


def checked_strength(strength: SupportsFloat) -> float:
    """The strength as a float.

    Raises:
        InvalidRequest: It is below 0 or above MAX_STRENGTH.
        TypeError: It is no number.
    """
    return number_between("strength", strength, 0, MAX_STRENGTH)


def samples(posterior: Posterior, count: int, seed: int, strength: float) -> Latents:
    """Samples of a posterior whose deviation is multiplied by `strength`, (count, L)."""
    return posterior.mean + scaled_noise(posterior, count, seed, strength)


def scaled_noise(posterior: Posterior, count: int, seed: int, strength: float) -> Latents:
    """Noise with `strength` times the deviation of a posterior, (count, L).

    The first rows are the same for every count.
    """
    noise = np.random.default_rng(seed).standard_normal((count, len(posterior.mean)), np.float32)
    scaled: Latents = np.float32(strength) * np.exp(posterior.log_variance / 2) * noise
    return scaled
