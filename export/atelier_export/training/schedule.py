"""Learning-rate schedules, as factors of the highest rate."""

WARM_UP = 100
"""Steps in which the learning rate rises from zero, where there are so many."""
DECAY = 0.25
"""Share of the steps, the last ones, in which it falls to zero."""


def trapezoid(step: int, steps: int, decay: float = DECAY, warm_up: int | None = None) -> float:
    """The factor of a step, 0..1: it rises, stays and falls.

    Hu et al. 2024, "MiniCPM", arXiv:2404.06395, section 4. A training that has not begun to fall
    can be made longer without a loss.

    Args:
        step: From 0 to `steps`.
        steps: Of the whole training.
        decay: Share of the steps, the last ones, in which it falls to zero; above 0.
        warm_up: Steps in which it rises from zero; without, `WARM_UP` or as long as it falls.
    """
    rise = (step + 1) / (warm_up or min(WARM_UP, decay * steps))
    fall = (steps - step) / (decay * steps)
    return min(1, rise, fall)
