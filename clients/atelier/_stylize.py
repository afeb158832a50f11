"""Repainting an image in a style: the model `stylize`, and the names of its styles."""

from PIL import Image

from atelier._calls import (
    NETWORK_VERSION,
    InferBytes,
    ModelConfig,
    Parameters,
    read_network_version,
)
from atelier._conversation import Conversation
from atelier._errors import ServerFailed
from atelier._images import LOSSLESS, ImageFormat, ImageSource, decoded_image, encoded_image
from atelier._styles import Style, style_text


def options(
    *,
    strength: float,
    keep_colors: bool,
    longest_side: int | None,
    encoding: ImageFormat | None,
    quality: int | None,
    network_version: int | None = None,
) -> Parameters:
    """The parameters of `stylize`. What is left as it is goes unsaid: the server knows it."""
    return {
        "strength": None if strength == 1 else strength,
        "keep_colors": True if keep_colors else None,
        "longest_side": longest_side,
        "format": encoding,
        "quality": quality,
        "network_version": network_version,
    }


def stylize_encoded(
    image: ImageSource, style: Style, parameters: Parameters
) -> Conversation[bytes]:
    """Asks for the painting as a file, by default in the format of the image."""
    response = yield from _painted(image, style, parameters)
    return response["stylized"][0]


def stylize(image: ImageSource, style: Style, parameters: Parameters) -> Conversation[Image.Image]:
    """Asks for the painting, by default without loss."""
    lossless = {**parameters, "format": parameters["format"] or LOSSLESS}
    response = yield from _painted(image, style, lossless)
    painting = decoded_image(response["stylized"][0])
    note_version(painting, read_network_version(response.get(NETWORK_VERSION)))
    return painting


def note_version(painting: Image.Image, version: int | None) -> None:
    """Notes the version of the network in the `info` of a painting, where it is known."""
    if version is not None:
        painting.info[NETWORK_VERSION] = version


def _painted(
    image: ImageSource, style: Style, parameters: Parameters
) -> Conversation[dict[str, list[bytes]]]:
    encoded = encoded_image(image)
    response: dict[str, list[bytes]] = yield InferBytes(
        "stylize",
        {"image": encoded.data, "style": style_text(style)},
        {"stylized": None},
        {**parameters, "format": parameters["format"] or encoded.reply},
    )
    return response


def styles() -> Conversation[list[str]]:
    """Asks for the names of the styles."""
    config = yield ModelConfig("style")
    names = config.parameters["styles"].string_value if "styles" in config.parameters else ""
    if not names:
        raise ServerFailed(f"model {config.name!r} has no parameter 'styles'", model=config.name)
    return [name.strip() for name in names.split(",")]
