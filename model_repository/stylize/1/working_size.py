"""How large the picture is that the network paints."""

import math


def working_size(
    width: int, height: int, longest_side: int | None, max_pixels: int, min_side: int
) -> tuple[int, int]:
    """The largest size, up to the picture's own, that was asked for and that the network takes.

    The shape is kept to the nearest pixel. It gives way only in strips so narrow that a side would
    become less than the network takes.

    Args:
        width: Of the picture, in pixels, at least `min_side`.
        height: The same.
        longest_side: What the longer side shall have at most, at least `min_side`, or None.
        max_pixels: What width x height shall have at most, at least `min_side` squared.
        min_side: What each side shall have at least.

    Returns:
        Width and height.
    """
    longer, shorter = max(width, height), min(width, height)
    target = min(longer, longest_side or longer)
    if target * max(min_side, shorter * target / longer) > max_pixels:
        target = min(math.isqrt(max_pixels * longer // shorter), max_pixels // min_side)
    other = max(min_side, round(shorter * target / longer))
    # Rounding can have passed the limit by a row.
    other = min(other, max_pixels // target)
    return (target, other) if width >= height else (other, target)
