"""The generator of the server: paintings from seeds and latents, and walks between them.

Two models make it: `latents` draws latents from a seed, `generate` paints those, or the caller's
own. How many a request may have is read from the configuration of `generate`, once in each call.
"""

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple, SupportsFloat, SupportsIndex, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from atelier._calls import ModelConfig, Parameters, utf8
from atelier._conversation import Conversation
from atelier._errors import InvalidRequest, ServerFailed
from atelier._images import LOSSLESS, decoded_image
from atelier._latent_space import MAX_IMAGES
from atelier._numbers import finite_array, positive_number, whole_number
from atelier._posterior import Latents
from atelier._stylize import note_version
from atelier._tensors import Expected, InferTensors, Tensors

LATENTS = "latents"
GENERATE = "generate"

MAX_SEED: Final = 2**63 - 1
MAX_TRUNCATION: Final = 4.0
"""Standard deviations; hardly a number of a latent is farther out."""

_LEAST_SINE: Final = 1e-6
"""Of an angle; below it, there is no one plane for an arc to lie in."""

Inputs: TypeAlias = Mapping[str, npt.NDArray[Any]]


class Settings(NamedTuple):
    """What the configuration of `generate` says.

    Attributes:
        movements: Their names.
        length: Z, of the latents.
        max_count: The most images of a request.
    """

    movements: list[str]
    length: int
    max_count: int


def generate(
    count: SupportsIndex,
    movement: str | None,
    seed: SupportsIndex | None,
    truncation: SupportsFloat | None,
    network_version: int | None,
) -> Conversation[list[Image.Image]]:
    """Asks for images of a seed; without a seed, one is drawn."""
    count = whole_number("count", count, 1, MAX_IMAGES)
    inputs = {**_seed(seed), **_movement(movement)}
    options = {"truncation": _truncation(truncation), "network_version": network_version}
    settings = yield from generator_settings()
    images: list[Image.Image] = []
    for part in _parts(count, settings.max_count):
        images += yield from _generating(len(part), inputs, {**options, **_place(part)})
    return images


def latents(
    count: SupportsIndex, seed: SupportsIndex | None, truncation: SupportsFloat | None
) -> Conversation[Latents]:
    """Asks for the latents of a seed, (count, Z); without a seed, one is drawn."""
    count = whole_number("count", count, 1, MAX_IMAGES)
    inputs = _seed(seed)
    options = {"truncation": _truncation(truncation)}
    settings = yield from generator_settings()
    drawn: list[Latents] = []
    for part in _parts(count, settings.max_count):
        more = yield from _drawing(len(part), settings, inputs, {**options, **_place(part)})
        drawn.append(more)
    return np.concatenate(drawn)


def paint(latents: npt.ArrayLike, movement: str) -> Conversation[list[Image.Image]]:
    """Asks for the images of latents (n, Z)."""
    wanted = "(n, Z) numbers, a row for each image"
    checked = finite_array("latents", latents, 2, wanted)
    if not 1 <= len(checked) <= MAX_IMAGES:
        raise InvalidRequest(f"latents: there are {len(checked)}; give 1 to {MAX_IMAGES}")
    named = _required_movement(movement)
    settings = yield from generator_settings()
    if checked.shape[1] != settings.length:
        raise InvalidRequest(
            f"latents have {checked.shape[1]} numbers each; {GENERATE} takes {settings.length}"
        )
    images = yield from _painted(checked, named, settings)
    return images


def walk(
    seeds: Iterable[SupportsIndex],
    movement: str,
    steps: SupportsIndex,
    truncation: SupportsFloat | None,
) -> Conversation[list[Image.Image]]:
    """Asks for the images on the arcs from each seed's first latent to the next seed's."""
    stops = _checked_seeds(seeds)
    named = _required_movement(movement)
    steps = whole_number("steps", steps, 2, MAX_IMAGES)
    count = (len(stops) - 1) * (steps - 1) + 1
    if count > MAX_IMAGES:
        raise InvalidRequest(
            f"{len(stops)} seeds in steps of {steps} are {count} images; {MAX_IMAGES} is the most"
        )
    options = {"truncation": _truncation(truncation)}
    settings = yield from generator_settings()
    found: dict[int, Latents] = {}
    for seed in dict.fromkeys(stops):
        (found[seed],) = yield from _drawing(1, settings, _seed(seed), options)
    images = yield from _painted(path([found[seed] for seed in stops], steps), named, settings)
    return images


def movements() -> Conversation[list[str]]:
    """Asks for the names of the movements."""
    return (yield from generator_settings()).movements


def generator_settings() -> Conversation[Settings]:
    """Asks for the settings."""
    return _settings((yield ModelConfig(GENERATE)))


def path(stops: Sequence[Latents], steps: int) -> Latents:
    """Latents on the arcs from each stop to the next, `steps` on each with both ends.

    Where two arcs meet, the stop is there once: ((len(stops) - 1) * (steps - 1) + 1, Z).
    """
    arcs = [arc(start, end, steps)[1:] for start, end in pairwise(stops)]
    return np.concatenate([stops[0][None], *arcs])


def arc(start: Latents, end: Latents, steps: int) -> Latents:
    """Latents on the great arc between two, at equal angles, (steps, Z).

    The spherical interpolation of White, "Sampling Generative Networks" (arXiv:1609.04468): the
    straight line would go through lengths that samples of a Gaussian hardly ever have.
    """
    a, b = start.astype(np.float64), end.astype(np.float64)
    lengths = np.linalg.norm(a) * np.linalg.norm(b)
    angle = np.arccos(np.clip(a @ b / lengths, -1, 1)) if lengths else 0.0
    share = np.linspace(0, 1, steps)[:, None]
    sine = np.sin(angle)
    if sine < _LEAST_SINE:
        points = (1 - share) * a + share * b
    else:
        points = (np.sin((1 - share) * angle) * a + np.sin(share * angle) * b) / sine
    return np.asarray(points, np.float32)


def _painted(
    latents: Latents, movement: Inputs, settings: Settings
) -> Conversation[list[Image.Image]]:
    images: list[Image.Image] = []
    for part in _parts(len(latents), settings.max_count):
        inputs = {"latent": latents[part.start : part.stop], **movement}
        images += yield from _generating(len(part), inputs, {})
    return images


def _generating(
    count: int, inputs: Inputs, parameters: Parameters
) -> Conversation[list[Image.Image]]:
    files = {"images": Expected("UINT8", (count, -1)), "lengths": Expected("INT32", (count, 1))}
    options = {**parameters, "format": LOSSLESS}
    response: Tensors = yield InferTensors(GENERATE, inputs, files, parameters=options)
    rows = zip(response.outputs["images"], response.outputs["lengths"].flat, strict=True)
    images = [decoded_image(row[:length].tobytes()) for row, length in rows]
    for image in images:
        note_version(image, response.network_version)
    return images


def _drawing(
    count: int, settings: Settings, inputs: Inputs, parameters: Parameters
) -> Conversation[Latents]:
    expected = Expected("FP32", (count, settings.length))
    response: Tensors = yield InferTensors(
        LATENTS, inputs, {"latents": expected}, parameters=parameters
    )
    return response.outputs["latents"]


def _parts(count: int, most: int) -> Iterator[range]:
    """The indices from 0 to `count` in ranges of at most `most`."""
    for first in range(0, count, most):
        yield range(first, min(first + most, count))


def _place(part: range) -> dict[str, int]:
    """The parameters that ask for these images of a seed."""
    return {"count": len(part), "first": part.start}


def _seed(seed: SupportsIndex | None) -> Inputs:
    """The input `seed`; a drawn one too, so that the images of several requests differ."""
    if seed is None:
        seed = secrets.randbelow(MAX_SEED + 1)
    return {"seed": np.array([whole_number("seed", seed, 0, MAX_SEED)], "<i8")}


def _checked_seeds(seeds: Iterable[SupportsIndex]) -> list[int]:
    if not isinstance(seeds, Iterable):
        raise TypeError(f"seeds is a {type(seeds).__name__}; give two or more whole numbers")
    checked = [whole_number("seed", seed, 0, MAX_SEED) for seed in seeds]
    if len(checked) < 2:
        raise InvalidRequest(f"seeds {checked} have nothing between them; give two or more")
    return checked


def _movement(movement: str | None) -> Inputs:
    if movement is None:
        return {}
    if not isinstance(movement, str):
        raise TypeError(f"movement is a {type(movement).__name__}; give a name")
    return {"movement": np.array([utf8("movement", movement)], object)}


def _required_movement(movement: str) -> Inputs:
    named = _movement(movement)
    if not named or not movement.strip():
        raise InvalidRequest(f"movement: {movement!r} is no name; `movements` lists them")
    return named


def _truncation(truncation: SupportsFloat | None) -> float | None:
    if truncation is None:
        return None
    return positive_number("truncation", truncation, MAX_TRUNCATION)


def _settings(config: Any) -> Settings:
    found = {name: parameter.string_value for name, parameter in config.parameters.items()}
    try:
        names = [name.strip() for name in found["movements"].split(",")]
        settings = Settings(names, int(found["latent_length"]), int(found["max_count"]))
    except (KeyError, ValueError):
        settings = None
    if settings is None or not all(names) or min(settings.length, settings.max_count) < 1:
        raise ServerFailed(
            f"model {config.name!r} has the parameters {found}; expected 'movements', and "
            "'latent_length' and 'max_count' above 0",
            model=config.name,
        )
    return settings
