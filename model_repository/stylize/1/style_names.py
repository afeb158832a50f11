"""Which styles the network knows, in the order of its weight vector."""

import re

from client_text import fold

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def parse_names(text: str) -> tuple[str, ...]:
    """Reads a comma-separated list of style names such as "great_wave,udnie".

    Raises:
        ValueError: The list is empty, or a name is malformed or appears twice.
    """
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"'{name}' in parameter 'styles' is no style name: "
                "letters, digits, '_', '-' and '.' make one"
            )
    if len({fold(name) for name in names}) < len(names):
        raise ValueError(f"parameter 'styles' names a style twice: {text}")
    return names
