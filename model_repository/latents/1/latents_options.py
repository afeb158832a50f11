"""What a request asks for of the latents of a seed: how many, which ones, how far out."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from client_text import number, quote
from common_options import OptionsError
from latents_settings import Settings

LARGEST_SEED = 2**63 - 1
"""Of the seed's type, INT64."""

OF_SEEDS = ("count", "first", "truncation")
"""The options."""

_WHOLE_NUMBER = re.compile(r"[0-9]{1,19}")
_SEVERAL = "; more are several requests, each with its own `first`"


@dataclass(frozen=True)
class Options:
    """A request's options.

    Attributes:
        count: Number of images, 1 or more.
        first: Number of the first of them among the images of the seed, 0 or more.
        truncation: Largest absolute value in a latent, above 0.
    """

    count: int
    first: int
    truncation: float


def read_options(parameters: Mapping[str, object], settings: Settings) -> Options:
    """Reads the options that a request gives; numbers count as themselves and as their text.

    Args:
        parameters: The request's own parameters; others than OF_SEEDS are left alone.
        settings: The defaults and limits.

    Raises:
        OptionsError: A value is not among the allowed ones.
    """
    return Options(
        count=_whole(parameters, "count", 1, settings.max_count, 1, _SEVERAL),
        first=_whole(parameters, "first", 0, LARGEST_SEED, 0),
        truncation=_truncation(parameters, settings),
    )


def check_seed(seed: int) -> int:
    """Returns the seed; raises OptionsError where it is negative."""
    if seed < 0:
        raise OptionsError(
            f"seed {seed} is not possible: use a whole number from 0 to {LARGEST_SEED}, or none "
            "for images that nobody has seen"
        )
    return seed


def check_no_seed(has_seed: bool, parameters: Mapping[str, object]) -> None:
    """Checks that a request with latents of its own does not ask for others.

    Raises:
        OptionsError: It does; the message names what it has beside `latent`.
    """
    beside = [name for name in OF_SEEDS if name in parameters]
    for name in ["seed", *beside] if has_seed else beside:
        raise OptionsError(
            f"{name} cannot go with latent: it says how latents are drawn; leave one of both out"
        )


def _whole(
    parameters: Mapping[str, object], name: str, low: int, high: int, default: int, hint: str = ""
) -> int:
    if name not in parameters:
        return default
    value = parameters[name]
    text = str(value)
    if isinstance(value, bool) or not _WHOLE_NUMBER.fullmatch(text) or not low <= int(text) <= high:
        raise OptionsError(
            f"{name} {quote(value)} is not possible: use a whole number from {low} to {high}{hint}"
        )
    return int(text)


def _truncation(parameters: Mapping[str, object], settings: Settings) -> float:
    value = parameters.get("truncation", settings.truncation)
    truncation = number(str(value))
    if not 0 < truncation <= settings.largest_truncation:
        raise OptionsError(
            f"truncation {quote(value)} is not possible: use a number above 0, for the most "
            f"typical image, up to {settings.largest_truncation:g}, for the most varied ones"
        )
    return truncation
