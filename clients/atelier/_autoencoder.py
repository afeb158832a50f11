"""The variational autoencoder of the server: images to latents, and latents to images.

Two models make it, `vae_encoder` and `vae_decoder`. Sizes and batches are read from their
configurations, once in each call.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, SupportsFloat, SupportsIndex, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from atelier._conversation import Conversation
from atelier._errors import InvalidRequest, ServerFailed
from atelier._images import ImageSource, rgb_image
from atelier._messages import Exchange, model_config
from atelier._numbers import number_between, whole_number
from atelier._tensors import Expected, Tensors, infer_tensors

ENCODER = "vae_encoder"
DECODER = "vae_decoder"

MAX_STRENGTH = 100.0
"""Posterior deviations; far more than leaves anything of an image."""
MIN_SIDE = 16

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


class Sizes(NamedTuple):
    """What the configuration of one of the two models says.

    Attributes:
        side: N, of the N×N images.
        length: L, of the latents.
        batch: The most images or latents in a request.
    """

    side: int
    length: int
    batch: int


def checked_seed(seed: SupportsIndex) -> int:
    """The seed as an int; raises InvalidRequest below 0, TypeError for what is no whole number."""
    return whole_number("seed", seed, 0)


def checked_strength(strength: SupportsFloat) -> float:
    """The strength as a float; raises InvalidRequest out of its range, TypeError for no number."""
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


def load_image(source: ImageSource, name: str = "image") -> Image.Image:
    """An image to be encoded, upright and in mode RGB.

    Raises:
        InvalidRequest: As in `rgb_image`; or a side is shorter than 16 pixels.
    """
    image = rgb_image(source, name)
    if min(image.size) < MIN_SIDE:
        raise InvalidRequest(
            f"{name}: {image.width}×{image.height} pixels; each side needs at least {MIN_SIDE}"
        )
    return image


def fitted(image: Image.Image, side: int) -> Image.Image:
    """The whole image squashed to a square, as the network saw images in its training."""
    return image.resize((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0)


def encode(image: ImageSource) -> Conversation[Posterior]:
    """Asks for the posterior of one image."""
    (posterior,) = yield from encode_images([load_image(image)])
    return posterior


def decode(latent: npt.ArrayLike | Posterior, version: str = "") -> Conversation[Image.Image]:
    """Asks for the image of one latent.

    Args:
        latent: (L,) finite numbers, or a posterior, whose mean and version are taken.
        version: Of the model; "" means the newest, or that of the posterior.
    """
    if isinstance(latent, Posterior):
        version = version or latent.version
        latent = latent.mean
    (image,) = yield from decode_latents(checked_latent(latent)[None], version)
    return image


def reconstruct(image: ImageSource) -> Conversation[Image.Image]:
    """Asks for the image of an image's posterior mean."""
    rebuilt: Image.Image = yield from decode((yield from encode(image)))
    return rebuilt


def encode_images(images: Sequence[Image.Image]) -> Conversation[list[Posterior]]:
    """Asks for the posteriors of images in mode RGB, in as few requests as the model allows."""
    sizes: Sizes = yield encoder_sizes()
    posteriors: list[Posterior] = []
    for first in range(0, len(images), sizes.batch):
        batch = [np.asarray(fitted(image, sizes.side)) for image in images[first:][: sizes.batch]]
        posteriors += yield encoding(np.stack(batch), sizes)
    return posteriors


def encoder_sizes() -> Exchange[Sizes]:
    """Asks for the sizes of the encoder."""
    return model_config(ENCODER).then(lambda config: _sizes(config, latent="mean"))


def encoding(pixels: npt.NDArray[np.uint8], sizes: Sizes) -> Exchange[list[Posterior]]:
    """Asks for the posteriors of a batch (B, N, N, 3), B at most `sizes.batch`."""
    latents = Expected("FP32", (len(pixels), sizes.length))

    def read(answer: Tensors) -> list[Posterior]:
        mean, log_variance = answer.outputs["mean"], answer.outputs["log_variance"]
        if not (np.isfinite(mean).all() and np.isfinite(log_variance).all()):
            raise ServerFailed(f"{ENCODER} answered numbers that are not finite", model=ENCODER)
        return [Posterior(*each, answer.version) for each in zip(mean, log_variance, strict=True)]

    outputs = {"mean": latents, "log_variance": latents}
    return infer_tensors(ENCODER, {"image": pixels}, outputs).then(read)


def decode_latents(latents: Latents, version: str = "") -> Conversation[list[Image.Image]]:
    """Asks for the images of latents (count, L), in as few requests as the model allows."""
    sizes: Sizes = yield _decoder_sizes(version)
    if latents.shape[1] != sizes.length:
        raise InvalidRequest(
            f"latent has {latents.shape[1]} numbers; {DECODER} takes {sizes.length}"
        )
    images: list[Image.Image] = []
    for first in range(0, len(latents), sizes.batch):
        images += yield _decoding(latents[first:][: sizes.batch], sizes, version)
    return images


def checked_latent(latent: npt.ArrayLike) -> Latents:
    """The latent as (L,) float32.

    Raises:
        InvalidRequest: It is no one-dimensional array of finite numbers.
    """
    try:
        numbers = np.asarray(latent)
    except (TypeError, ValueError) as error:
        raise InvalidRequest("latent: it is no array; give numbers in one dimension") from error
    if numbers.dtype.kind not in "iuf":
        raise InvalidRequest(f"latent: its elements are {numbers.dtype}; give numbers")
    if numbers.ndim != 1:
        raise InvalidRequest(
            f"latent has the shape {numbers.shape}; give one latent, in one dimension"
        )
    with np.errstate(over="ignore"):
        checked = numbers.astype(np.float32)
    wrong = np.flatnonzero(~np.isfinite(checked))
    if wrong.size:
        raise InvalidRequest(
            f"latent: element {wrong[0]} is {numbers[wrong[0]]}; give finite numbers that 32 bits "
            "can hold"
        )
    return checked


def _decoding(latents: Latents, sizes: Sizes, version: str) -> Exchange[list[Image.Image]]:
    images = Expected("UINT8", (len(latents), sizes.side, sizes.side, 3))
    return infer_tensors(DECODER, {"latent": latents}, {"image": images}, version).then(
        lambda answer: [Image.fromarray(pixels) for pixels in answer.outputs["image"]]
    )


def _decoder_sizes(version: str) -> Exchange[Sizes]:
    return model_config(DECODER, version).then(lambda config: _sizes(config, latent="latent"))


def _sizes(config: Any, latent: str) -> Sizes:
    tensors = (*config.input, *config.output)
    shapes = {tensor.name: list(tensor.dims) for tensor in tensors}
    match shapes.get("image"), shapes.get(latent):
        case [[int(height), int(width), 3], [int(length)]] if height == width:
            sizes = Sizes(height, length, config.max_batch_size)
            if min(sizes) > 0:
                return sizes
    raise ServerFailed(
        f"model {config.name!r} has max_batch_size {config.max_batch_size} and tensors {shapes}; "
        f"expected a batch of 'image' [N, N, 3] and {latent!r} [L]",
        model=config.name,
    )
