"""A style or a mix of styles, as a client writes it, to the network's weights.

Grammar: mix = entry *("," entry); entry = name [":" weight]; white space around each is free.
"""

import difflib
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from client_text import fold, number, quote

MAX_LENGTH = 4096
"""Longest mix that is read, in bytes: room for a hundred styles with their weights."""


class StyleError(ValueError):
    """The text names no style or mix that exists here; the message says why and what to do."""


def parse_mix(text: bytes, styles: Sequence[str]) -> npt.NDArray[np.float32]:
    """Reads a style such as "udnie", or a mix such as "great_wave:0.7,udnie:0.3".

    A name counts when it is written exactly, or with other case, or with spaces or hyphens for
    underscores. Either every entry has a weight or none has one; without, all weigh the same.

    Args:
        text: UTF-8, at most MAX_LENGTH bytes.
        styles: The S known names.

    Returns:
        FP32 (S,), at least 0 each, sum 1, in the order of `styles`.

    Raises:
        StyleError: Empty, too long or not UTF-8; an unknown style or one named twice; a weight
            that is missing, no number, negative or infinite; no weight above 0.
    """
    if len(text) > MAX_LENGTH:
        raise StyleError(
            f"the style has {len(text)} bytes, more than the {MAX_LENGTH} that are read: "
            f"{_expected(styles)}"
        )
    try:
        mix = text.decode()
    except UnicodeDecodeError:
        raise StyleError(f"the style {text[:60]!r} is not UTF-8: {_expected(styles)}") from None
    if not mix.strip():
        raise StyleError(f"the style is empty: {_expected(styles)}")

    known = {fold(name): name for name in styles}
    entries = [entry.partition(":") for entry in mix.split(",")]
    weighted = any(colon for _, colon, _ in entries)
    weights: dict[str, float] = {}
    for written, colon, weight in entries:
        if not written.strip():
            raise StyleError(f"the style {quote(mix)} has an entry with no name: remove it")
        name = known.get(fold(written))
        if name is None:
            raise StyleError(_unknown(written.strip(), known))
        if name in weights:
            raise StyleError(f"the style {quote(mix)} names {name} twice: add the two weights up")
        if weighted and not colon:
            raise StyleError(
                f"style {name} has no weight while others in {quote(mix)} have one: "
                f"write {name}:WEIGHT"
            )
        weights[name] = _weight(name, weight.strip()) if colon else 1.0

    values = np.array([weights.get(name, 0.0) for name in styles])
    if not values.any():
        raise StyleError(f"every weight in {quote(mix)} is 0: give one style more than that")
    values /= values.max()  # The sum of weights near the largest float would overflow.
    normalised: npt.NDArray[np.float32] = (values / values.sum()).astype(np.float32)
    return normalised


def _weight(name: str, text: str) -> float:
    weight = number(text)
    if math.isnan(weight):
        raise StyleError(
            f"the weight {quote(text)} of style {name} is not a number: write {name}:0.5"
        )
    if not 0 <= weight < math.inf:
        raise StyleError(f"the weight {quote(text)} of style {name} must be 0 or more and finite")
    return weight


def _unknown(written: str, known: dict[str, str]) -> str:
    close = difflib.get_close_matches(fold(written)[:60], known, n=1)
    guess = f"; did you mean {known[close[0]]}?" if close else "."
    return f"unknown style {quote(written)}{guess} Known styles: {', '.join(known.values())}"


def _expected(styles: Sequence[str]) -> str:
    return f"send one of {', '.join(styles)}, or a mix such as '{styles[0]}:0.7,{styles[-1]}:0.3'"
