"""Training images and held-out images."""

from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


def split(items: Sequence[Item], held_out: int) -> tuple[list[Item], list[Item]]:
    """Splits items into those to train on and every `held_out`th, to evaluate on.

    Raises:
        ValueError: Too few items for both.
    """
    if held_out < 2 or len(items) < held_out:
        raise ValueError(
            f"{len(items)} images cannot be split with every {held_out}th held out; "
            "give more images or a smaller number from 2 up"
        )
    training = [item for number, item in enumerate(items, 1) if number % held_out]
    return training, list(items[held_out - 1 :: held_out])
