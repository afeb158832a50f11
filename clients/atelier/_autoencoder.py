"""The variational autoencoder of the server: images to latents, and latents to images.

Two models make it, `vae_encoder` and `vae_decoder`. Sizes and batches are read from their
configurations, once in each call.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from atelier._calls import ModelConfig
from atelier._conversation import Conversation
from atelier._errors import InvalidRequest, ServerFailed
from atelier._images import ImageSource, rgb_image
from atelier._numbers import finite_array
from atelier._posterior import Latents, Posterior
from atelier._tensors import Expected, InferTensors, Tensors

ENCODER = "vae_encoder"
DECODER = "vae_decoder"

MIN_SIDE = 16


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
    sizes = yield from encoder_sizes()
    posteriors: list[Posterior] = []
    for first in range(0, len(images), sizes.batch):
        batch = [np.asarray(fitted(image, sizes.side)) for image in images[first:][: sizes.batch]]
        posteriors += yield from encoding(np.stack(batch), sizes)
    return posteriors


def encoder_sizes() -> Conversation[Sizes]:
    """Asks for the sizes of the encoder."""
    config = yield ModelConfig(ENCODER)
    return _sizes(config, latent="mean")


def encoding(pixels: npt.NDArray[np.uint8], sizes: Sizes) -> Conversation[list[Posterior]]:
    """Asks for the posteriors of a batch (B, N, N, 3), B at most `sizes.batch`."""
    latents = Expected("FP32", (len(pixels), sizes.length))
    response: Tensors = yield InferTensors(
        ENCODER, {"image": pixels}, {"mean": latents, "log_variance": latents}
    )
    mean, log_variance = response.outputs["mean"], response.outputs["log_variance"]
    if not (np.isfinite(mean).all() and np.isfinite(log_variance).all()):
        raise ServerFailed(f"{ENCODER} answered numbers that are not finite", model=ENCODER)
    return [Posterior(*each, response.version) for each in zip(mean, log_variance, strict=True)]


def decode_latents(latents: Latents, version: str = "") -> Conversation[list[Image.Image]]:
    """Asks for the images of latents (count, L), in as few requests as the model allows."""
    sizes = _sizes((yield ModelConfig(DECODER, version)), latent="latent")
    if latents.shape[1] != sizes.length:
        raise InvalidRequest(
            f"latent has {latents.shape[1]} numbers; {DECODER} takes {sizes.length}"
        )
    images: list[Image.Image] = []
    for first in range(0, len(latents), sizes.batch):
        batch = latents[first:][: sizes.batch]
        expected = Expected("UINT8", (len(batch), sizes.side, sizes.side, 3))
        response: Tensors = yield InferTensors(
            DECODER, {"latent": batch}, {"image": expected}, version
        )
        images += [Image.fromarray(pixels) for pixels in response.outputs["image"]]
    return images


def checked_latent(latent: npt.ArrayLike) -> Latents:
    """The latent as (L,) float32.

    Raises:
        InvalidRequest: It is no one-dimensional array of finite numbers.
    """
    return finite_array("latent", latent, 1, "one latent, in one dimension")


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
