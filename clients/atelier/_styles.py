"""A style as people write it, in the form that the server reads."""

import math
from collections.abc import Mapping
from typing import SupportsFloat, TypeAlias

from atelier._errors import InvalidRequest

Style: TypeAlias = str | Mapping[str, float]
"""A name, a mix such as "great_wave:0.7,udnie:0.3", or {"great_wave": 0.7, "udnie": 0.3}."""


def style_text(style: Style) -> str:
    """The style as one text. Which names exist and how weights add up is the server's to know."""
    if isinstance(style, str):
        return style
    if not isinstance(style, Mapping):
        raise TypeError(
            f"style is a {type(style).__name__}; give a name, a mix as text, or a dict of weights"
        )
    if not style:
        raise InvalidRequest("style: the mix is empty; name at least one style")
    return ",".join(_part(name, weight) for name, weight in style.items())


def _part(name: str, weight: float) -> str:
    if not name or set(name) & set(":,"):
        raise InvalidRequest(f"style: {name!r} cannot be a style's name")
    if not isinstance(weight, SupportsFloat):
        raise TypeError(f"style: the weight of {name!r} is {weight!r}; give a number")
    if not math.isfinite(weight):
        raise InvalidRequest(f"style: the weight of {name!r} is {weight}; give a finite number")
    return f"{name}:{float(weight)!r}"
