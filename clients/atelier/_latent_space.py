"""Ways through the latent space, and the images on them."""

from typing import Final, SupportsFloat, SupportsIndex

import numpy as np
from PIL import Image

from atelier._autoencoder import decode_latents, encode_images, load_image
from atelier._conversation import Conversation
from atelier._images import ImageSource
from atelier._numbers import whole_number
from atelier._posterior import (
    Latents,
    Posterior,
    checked_seed,
    checked_strength,
    samples,
    scaled_noise,
)

MAX_IMAGES: Final = 10_000
"""Of one call; all of them are in memory at once."""


def interpolate(
    first: ImageSource, second: ImageSource, frames: SupportsIndex
) -> Conversation[list[Image.Image]]:
    """Asks for the images on the line between the posterior means of two images."""
    frames = whole_number("frames", frames, 2, MAX_IMAGES)
    ends = [load_image(first, "first"), load_image(second, "second")]
    start, end = yield from encode_images(ends)
    images = yield from decode_latents(line(start, end, frames), start.version)
    return images


def vary(
    image: ImageSource, count: SupportsIndex, strength: SupportsFloat, seed: SupportsIndex
) -> Conversation[list[Image.Image]]:
    """Asks for the images of samples of an image's posterior."""
    count = whole_number("count", count, 1, MAX_IMAGES)
    strength, seed = checked_strength(strength), checked_seed(seed)
    (posterior,) = yield from encode_images([load_image(image)])
    latents = samples(posterior, count, seed, strength)
    images = yield from decode_latents(latents, posterior.version)
    return images


def wander(
    image: ImageSource, frames: SupportsIndex, strength: SupportsFloat, seed: SupportsIndex
) -> Conversation[list[Image.Image]]:
    """Asks for the images on a circle through an image's posterior mean."""
    frames = whole_number("frames", frames, 3, MAX_IMAGES)
    strength, seed = checked_strength(strength), checked_seed(seed)
    (posterior,) = yield from encode_images([load_image(image)])
    latents = circle(posterior, frames, strength, seed)
    images = yield from decode_latents(latents, posterior.version)
    return images


def line(start: Posterior, end: Posterior, frames: int) -> Latents:
    """Latents at equal distances from one mean to the other, (frames, L)."""
    share = np.linspace(0, 1, frames, dtype=np.float32)[:, None]
    return (1 - share) * start.mean + share * end.mean


def circle(posterior: Posterior, frames: int, strength: float, seed: int) -> Latents:
    """Latents on a circle that begins and ends at the mean, (frames, L).

    It lies in the plane of two random directions, each as long as a sample of the posterior, with
    its deviation multiplied by `strength`, is away from the mean.
    """
    angle = np.linspace(0, 2 * np.pi, frames, dtype=np.float32)[:, None]
    across, along = scaled_noise(posterior, 2, seed, strength)
    latents: Latents = posterior.mean + (1 - np.cos(angle)) * across + np.sin(angle) * along
    latents[-1] = posterior.mean  # The sine of a rounded 2 pi is not quite 0.
    return latents
