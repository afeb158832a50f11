"""Names of styles."""

import re
from collections.abc import Sequence

_NAME = re.compile(r"[A-Za-z0-9_-]+")


def check_style_names(styles: Sequence[str]) -> None:
    """Refuses names that would be ambiguous in a list or a mix.

    Raises:
        ValueError: A name holds other characters, or appears twice, or there is none.
    """
    for name in styles:
        if not _NAME.fullmatch(name):
            raise ValueError(f"the style name {name!r} may only hold letters, digits, _ and -")
    if not styles or len(set(styles)) < len(styles):
        raise ValueError(f"styles need names that differ, not {list(styles)}")
