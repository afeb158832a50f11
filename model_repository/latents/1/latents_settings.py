"""The parameters in the config.pbtxt of `latents`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from client_text import fold, number

MAX_TRUNCATION = 8.0
"""Beyond it, the distribution function of the normal distribution is 1 in a double."""

_WHOLE_NUMBER = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True)
class Settings:
    """What the model knows of the generator, and what it allows.

    Attributes:
        movements: Their names, in the order of the generator's numbers.
        latent_length: Z.
        max_count: Largest number of images of one request.
        truncation: Where the request gives none; above 0.
        largest_truncation: The largest that is allowed.
    """

    movements: tuple[str, ...]
    latent_length: int
    max_count: int
    truncation: float
    largest_truncation: float


def read_settings(parameters: Mapping[str, Any]) -> Settings:
    """Reads the parameters of Triton's model configuration.

    Raises:
        ValueError: One is missing or unusable; the message names it.
    """
    texts = {name: value["string_value"] for name, value in parameters.items()}
    movements = tuple(name.strip() for name in texts.get("movements", "").split(","))
    if not all(movements) or len({fold(name) for name in movements}) < len(movements):
        raise ValueError(
            "parameter 'movements' in config.pbtxt must be names, comma-separated and each once, "
            f"not '{texts.get('movements', '')}'"
        )
    largest = _truncation(texts, "largest_truncation", MAX_TRUNCATION)
    return Settings(
        movements,
        **{name: _whole(texts, name) for name in ("latent_length", "max_count")},
        truncation=_truncation(texts, "truncation", largest),
        largest_truncation=largest,
    )


def _whole(texts: Mapping[str, str], name: str) -> int:
    text = texts.get(name, "")
    if not _WHOLE_NUMBER.fullmatch(text):
        raise ValueError(
            f"parameter '{name}' in config.pbtxt must be a whole number above 0, not '{text}'"
        )
    return int(text)


def _truncation(texts: Mapping[str, str], name: str, largest: float) -> float:
    value = number(texts.get(name, ""))
    if not 0 < value <= largest:
        raise ValueError(
            f"parameter '{name}' in config.pbtxt must be a number above 0 up to {largest:g}, "
            f"not '{texts.get(name, '')}'"
        )
    return value
