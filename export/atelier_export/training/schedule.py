"""Learning-rate schedules, as factors of the highest rate."""

WARM_UP = 100
"""Steps of linear warm-up; fewer in a short training."""
DECAY = 0.25
"""Share of the steps, at the end, in which the learning rate falls linearly to zero."""


def trapezoid(step: int, steps: int, decay: float = DECAY, warm_up: int | None = None) -> float:
    """The learning-rate factor of a step, 0..1: warm-up, constant, linear decay.

    Hu et al. 2024, "MiniCPM", arXiv:2404.06395, section 4. Before the decay begins, a training can
    be made longer at no cost.

    Args:
        step: From 0 to `steps`.
        steps: Of the whole training.
        decay: Share of the steps, at the end, in which it falls to zero; above 0.
        warm_up: Steps in which it rises from zero; by default `WARM_UP`, at most as many as the
            decay has.
    """
    rise = (step + 1) / (warm_up or min(WARM_UP, decay * steps))
    fall = (steps - step) / (decay * steps)
    return min(1, rise, fall)
