"""How far a picture goes from the photograph towards the style, as a client writes it."""

from client_text import number, quote

MOST = 2.0
"""Beyond the style by as much as the style is from the photograph."""


class StrengthError(ValueError):
    """The value is no strength; the message says why and what to do."""


def read_strength(value: object) -> float:
    """Reads a strength, a number or its decimal text.

    Returns:
        0, the photograph itself, to MOST; 1 is the style.

    Raises:
        StrengthError: It is no number, or out of range.
    """
    strength = number(str(value))
    if 0 <= strength <= MOST:
        return strength
    raise StrengthError(
        f"strength {quote(value)} is not possible: use a number from 0, the photograph, to "
        f"{MOST:g}; 1 is the style as it is"
    )
