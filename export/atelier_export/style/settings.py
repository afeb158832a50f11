"""The settings of a training of the style network, and the photographs that it keeps apart."""

import math
from dataclasses import dataclass

from atelier_export.pictures import Picture
from atelier_export.style.networks import NETWORKS

WARM_UP = 100
"""Steps in which the learning rate rises from zero, where there are so many."""
DECAY = 0.25
"""Share of the steps, the last ones, in which it falls to zero."""

_LEAST = {
    "steps": 1, "batch": 1, "side": 16, "margin": 0, "crops": 1, "style_side": 16,
    "content_weight": 0, "style_weight": 0, "variation_weight": 0, "calm_weight": 0, "varied": 0,
    "learning_rate": 0, "style_learning_rate": 0, "gradient_norm": 0, "held_out": 2, "seed": 0,
}  # fmt: skip


@dataclass(frozen=True)
class StyleTraining:
    """The settings of a training; each has an effect on the weights.

    Attributes:
        steps: Updates of the weights.
        batch: Photographs an update, each with a style drawn at random.
        side: Side in pixels of the squares on which the loss looks, a multiple of 8.
        margin: Pixels that the network sees around them: so it cannot tell where the loss network
            pads with zeros, and paints no frame there.
        crops: Number of different crops; their content is computed once and kept, some
            0.6 MB each for a side of 192.
        style_side: Shorter side of the paintings in pixels: the scale of the strokes.
        content_weight: Weight a of the content distance.
        style_weight: Weight b of the style distance, at full strength.
        variation_weight: Weight c of the total variation.
        calm_weight: Weight d of the difference that a small move and a little noise make.
        varied: Share of the photographs painted at a strength other than 1, less than all.
        learning_rate: Adam's step for the convolutions, see `pace`.
        style_learning_rate: The same for the scales and shifts, which alone tell styles apart and
            each of which learns from a share of the photographs only.
        gradient_norm: Norm to which gradients are clipped.
        held_out: Every so manieth photograph, by name, is kept for the evaluation.
        network: Name of the network's shape, one of `NETWORKS`.
        seed: Seed of weights, crops, styles, strengths and moves. The noise depends on the step
            alone.
    """

    steps: int = 12000
    batch: int = 2
    side: int = 192
    margin: int = 16
    crops: int = 2000
    style_side: int = 384
    content_weight: float = 1.0
    style_weight: float = 5.0
    variation_weight: float = 0.2
    calm_weight: float = 2.0
    varied: float = 0.25
    learning_rate: float = 1e-3
    style_learning_rate: float = 5e-3
    gradient_norm: float = 1.0
    held_out: int = 20
    network: str = "eighth"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuses what cannot be trained; raises ValueError."""
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= least):
                raise ValueError(f"{name} must be a finite number from {least} up, not {value}")
        if self.varied >= 1:
            raise ValueError(f"varied must be less than 1, not {self.varied}")
        if self.side % 8:
            raise ValueError(f"the side must be a multiple of 8, not {self.side}")
        if self.network not in NETWORKS:
            raise ValueError(f"there is no network {self.network!r}, only {', '.join(NETWORKS)}")

    def pace(self, step: int) -> float:
        """The learning rate of a step, as a share of the highest.

        It rises, stays and falls (Hu et al. 2024, "MiniCPM", arXiv:2404.06395, section 4). So a
        training that has not begun to fall can be made longer without a loss.
        """
        rise = (step + 1) / min(WARM_UP, DECAY * self.steps)
        fall = (self.steps - step) / (DECAY * self.steps)
        return min(1, rise, fall)

    @property
    def farthest_move(self) -> int:
        """Pixels by which the second view of a crop is moved at most, down and to the right."""
        return 8 if self.calm_weight else 0


def split(photographs: list[Picture], held_out: int) -> tuple[list[Picture], list[Picture]]:
    """Photographs to train on, and every `held_out`th to evaluate on.

    Raises:
        ValueError: Too few photographs for both.
    """
    if held_out < 2 or len(photographs) < held_out:
        raise ValueError(
            f"{len(photographs)} photographs cannot be split with every {held_out}th held out; "
            "give more photographs or a smaller number from 2 up"
        )
    training = [photograph for place, photograph in enumerate(photographs, 1) if place % held_out]
    return training, photographs[held_out - 1 :: held_out]
