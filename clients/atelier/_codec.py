"""An image to an `.atl` file and back, through the server's variational autoencoder."""

import math
from typing import Any, SupportsFloat

from PIL import Image

from atelier._autoencoder import DECODER, ENCODER, decode_latents, encode_images, load_image
from atelier._calls import ModelConfig, ModelVersions
from atelier._compression import CompressedImage, checked_step, pack, quantise, unpack
from atelier._conversation import Conversation
from atelier._errors import InvalidRequest, ServerFailed
from atelier._images import ImageSource


def compress(image: ImageSource, step: SupportsFloat) -> Conversation[bytes]:
    """Asks for the latent of an image, and packs it.

    Raises:
        ModuleNotFoundError: `constriction` is not installed.
    """
    step = checked_step(step)
    original = load_image(image)
    (posterior,) = yield from encode_images([original])
    if not posterior.version.isdecimal():
        raise ServerFailed(
            f"{ENCODER} answered with the version {posterior.version!r}, which is no number",
            model=ENCODER,
        )
    config = yield ModelConfig(DECODER, posterior.version)
    quantised = quantise(posterior.mean, _latent_shape(config, len(posterior.mean)), step)
    return pack(CompressedImage(int(posterior.version), step, original.size, quantised))


def decompress(data: bytes | bytearray | memoryview) -> Conversation[Image.Image]:
    """Asks for the image of an `.atl` file, of the version of the models that made it.

    Raises:
        ModuleNotFoundError: `constriction` is not installed.
        TypeError: `data` is not bytes.
    """
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(f"data is a {type(data).__name__}; give the bytes of an .atl file")
    compressed = unpack(bytes(data))
    version = str(compressed.version)
    versions = yield ModelVersions(DECODER)
    if version not in versions:
        raise InvalidRequest(
            f"the .atl file was made by version {version} of the network; the server has version "
            f"{' and '.join(versions)}: serve version {version} again, or compress the image again"
        )
    (image,) = yield from decode_latents(compressed.latent[None], version)
    image.info["original_size"] = compressed.size
    return image


def _latent_shape(config: Any, length: int) -> tuple[int, int, int]:
    """Channels, height and width of a latent of `length` numbers."""
    text = config.parameters["latent_shape"].string_value
    numbers = [int(each) for each in text.split(",") if each.isdecimal()]
    match numbers:
        case [channels, height, width] if math.prod(numbers) == length:
            return channels, height, width
    raise ServerFailed(
        f"model {DECODER!r} has the parameter 'latent_shape' {text!r}; expected the channels, "
        f"height and width of {length} numbers",
        model=DECODER,
    )
