"""A movement as a client writes it, to the generator's number."""

import difflib
from collections.abc import Sequence

from client_text import fold, quote


class MovementError(ValueError):
    """The text names no movement that exists here; the message says why and what to do."""


def find_movement(text: bytes, movements: Sequence[str]) -> int | None:
    """Finds a movement by its name.

    A name counts when it is written exactly, or with other case, or with spaces or hyphens for
    underscores.

    Args:
        text: UTF-8.
        movements: The known names.

    Returns:
        Its place among them, or None where the text is empty.

    Raises:
        MovementError: There is no such movement, or the text is not UTF-8.
    """
    try:
        written = text.decode().strip()
    except UnicodeDecodeError:
        raise MovementError(
            f"the movement {quote(text[:60])} is not UTF-8: send one of {', '.join(movements)}"
        ) from None
    if not written:
        return None
    known = {fold(name): number for number, name in enumerate(movements)}
    number = known.get(fold(written))
    if number is None:
        close = difflib.get_close_matches(fold(written)[:60], known, n=1)
        guess = f"; did you mean {movements[known[close[0]]]}?" if close else "."
        raise MovementError(
            f"unknown movement {quote(written)}{guess} Known movements: {', '.join(movements)}"
        )
    return number
