"""What is sent: requests for one model or for a mix of several, made before anything is timed."""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image
from tritonclient.grpc import model_config_pb2

from atelier._calls import ModelConfig
from atelier._client import Client
from atelier._conversation import Conversation
from atelier._errors import InvalidRequest
from atelier._images import rgb_image
from atelier._loadtest.made_images import made_image
from atelier._tensors import InferTensors

Weights: TypeAlias = Mapping[str, float]

_MADE_IMAGES: Final = 8
_VARIANTS: Final = 32
"""How many requests of each model and size are made; they are sent in random order."""
_MOST_BYTES: Final = 512 * 2**20
_SIZE: Final = re.compile(r"(\d+)[x×](\d+)")
_IMAGE_FILES: Final = {".jpg", ".jpeg", ".png", ".webp"}


@dataclass(frozen=True)
class Sample:
    """A request, ready to be sent.

    Attributes:
        model: The model's name.
        body: The serialised message.
        pixels: Of the image in it; 0 where there is none.
    """

    model: str
    body: bytes
    pixels: int


@dataclass(frozen=True)
class Workload:
    """Requests, each drawn with its probability; the same number is always the same request.

    Attributes:
        samples: The requests.
        order: Indices of `samples`, drawn at random; request n is the one of n modulo its length.
    """

    samples: Sequence[Sample]
    order: npt.NDArray[np.int32]

    def sample(self, number: int) -> Sample:
        """The request of a number."""
        return self.samples[int(self.order[number % len(self.order)])]


@dataclass(frozen=True)
class Mix:
    """What to send, as a user says it.

    Attributes:
        models: Names and weights.
        sizes: (width, height) as text and weights, for inputs of any size.
        styles: Names, or mixes as `stylize` takes them, and weights; none: all of the server's.
        images: A folder of photographs; None: made ones.
        encoding: Of images that travel as files: jpeg, png or webp.
        seed: Another one draws other requests.
    """

    models: Weights
    sizes: Weights
    styles: Weights
    images: Path | None
    encoding: str
    seed: int


def weights(text: str, separator: str = ",") -> dict[str, float]:
    """Names and weights from `stylize:3,classify`; the weight of a name alone is 1.

    Raises:
        ValueError: A name is missing, there twice, or a weight is no number above 0.
    """
    found: dict[str, float] = {}
    for part in text.split(separator):
        name, _, number = part.strip().partition(":")
        try:
            weight = float(number or 1)
        except ValueError:
            weight = -1.0
        if not name or name in found or not 0 < weight < float("inf"):
            raise ValueError(
                f"{text!r}: give names with weights above 0, each name once, such as a:3,b:1"
            )
        found[name] = weight
    return found


def size_of(text: str) -> tuple[int, int]:
    """Width and height from `480x320`.

    Raises:
        ValueError: It is no such text.
    """
    found = _SIZE.fullmatch(text)
    if not found or min(map(int, found.groups())) < 16:
        raise ValueError(f"size {text!r}: give WIDTHxHEIGHT of 16 or more, such as 480x320")
    return int(found[1]), int(found[2])


def workload(client: Client, mix: Mix) -> Workload:
    """Asks the server for the inputs of each model, and makes requests for it.

    Raises:
        InvalidRequest: The server does not serve a model, or there is no value for an input.
        AtelierError: The server does not answer.
        OSError: An image cannot be read.
    """
    random = np.random.default_rng(mix.seed)
    configs = {model: client._converse(_config(model), client.timeout) for model in mix.models}
    takes_images = any(_has(config, "image") for config in configs.values())
    sources = _sources(mix) if takes_images else [None]
    samples, chances = [], []
    for model, weight in mix.models.items():
        config = configs[model]
        styles = _styles(client, mix) if _has(config, "style") else {}
        for size, share in mix.sizes.items():
            made = [
                _sample(config, source, size_of(size), styles, mix, random)
                for source in islice(cycle(sources), _VARIANTS)
            ]
            samples += made
            chances += [weight / sum(mix.models.values()) * share / len(made)] * len(made)
            if sum(len(sample.body) for sample in samples) > _MOST_BYTES:
                raise InvalidRequest(f"images of {size} are too large for {_VARIANTS} requests")
    probabilities = np.array(chances) / sum(chances)
    order = random.choice(len(samples), 65_536, p=probabilities).astype(np.int32)
    return Workload(samples, order)


def _config(model: str) -> Conversation[Any]:
    return (yield ModelConfig(model))


def _has(config: Any, name: str) -> bool:
    return any(tensor.name == name for tensor in config.input)


def _styles(client: Client, mix: Mix) -> Weights:
    return mix.styles or dict.fromkeys(client.styles(), 1.0)


def _sources(mix: Mix) -> Sequence[Image.Image | None]:
    if mix.images is None:
        return [made_image(number) for number in range(_MADE_IMAGES)]
    files = sorted(path for path in mix.images.iterdir() if path.suffix.lower() in _IMAGE_FILES)[
        :_VARIANTS
    ]
    if not files:
        raise InvalidRequest(f"{mix.images} has no JPEG, PNG or WebP file in it")
    return [rgb_image(path, str(path)) for path in files]


def _sample(
    config: Any,
    source: Image.Image | None,
    size: tuple[int, int],
    styles: Weights,
    mix: Mix,
    random: np.random.Generator,
) -> Sample:
    inputs: dict[str, npt.NDArray[Any]] = {}
    pixels = 0
    for tensor in config.input:
        value = _value(tensor, config, source, size, styles, mix, random)
        if value is None:
            continue
        if tensor.name == "image":
            pixels = size[0] * size[1] if value.dtype == object else value.size // 3
        inputs[tensor.name] = value[None] if config.max_batch_size else value
    call = InferTensors(config.name, inputs, {})
    return Sample(config.name, call.message().SerializeToString(), pixels)


def _value(
    tensor: Any,
    config: Any,
    source: Image.Image | None,
    size: tuple[int, int],
    styles: Weights,
    mix: Mix,
    random: np.random.Generator,
) -> npt.NDArray[Any] | None:
    """A value of an input without its batch, or None for an optional one that is left out."""
    match tensor.name, tensor.data_type:
        case "image", model_config_pb2.TYPE_STRING if source is not None:
            return np.array([_encoded(source.resize(size), mix.encoding)], object)
        case "image", model_config_pb2.TYPE_UINT8 if source is not None:
            height, width, _ = tensor.dims
            fixed = (width if width > 0 else size[0], height if height > 0 else size[1])
            return np.asarray(source.resize(fixed), np.uint8)
        case "style", model_config_pb2.TYPE_STRING:
            names = list(styles)
            chances = np.array(list(styles.values()))
            return np.array([str(random.choice(names, p=chances / chances.sum())).encode()], object)
        case "style", model_config_pb2.TYPE_FP32:
            # One style in full: the network takes a weight for each of its own.
            count = len(config.parameters["styles"].string_value.split(","))
            one_hot: npt.NDArray[Any] = np.zeros(count, np.float32)
            one_hot[random.integers(count)] = 1
            return one_hot
        case "seed", model_config_pb2.TYPE_INT64:
            return np.array([random.integers(2**31)])
        case "movement", model_config_pb2.TYPE_INT64:
            count = len(config.parameters["movements"].string_value.split(","))
            return np.array([random.integers(count)])
        case "latent", model_config_pb2.TYPE_FP32 if not tensor.optional:
            latent: npt.NDArray[Any] = random.standard_normal(tuple(tensor.dims))
            return latent.astype(np.float32)
    if tensor.optional:
        return None
    raise InvalidRequest(
        f"{config.name}: there is no way to make its input {tensor.name!r}; load-test a model "
        "whose inputs are an image, a style, a seed, a movement or a latent",
        model=config.name,
    )


def _encoded(image: Image.Image, encoding: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, encoding, quality=90)
    return buffer.getvalue()
