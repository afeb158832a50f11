"""What clients write: the numbers and names in it, and how a refusal shows it."""

import math
import re

# A digit has one place to go, so that a long text is refused in no time.
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def number(text: str) -> float:
    """The number that is written in decimal, perhaps infinite; NaN where the text is none."""
    return float(text) if _NUMBER.fullmatch(text) else math.nan


def fold(name: str) -> str:
    """A name without what people vary when they type it: "Great Wave" is "great_wave"."""
    return re.sub(r"[\s_-]+", "_", name.strip()).casefold()


def quote(value: object) -> str:
    """The value as Python writes it, cut off where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
