"""The weights of the terms of the perceptual loss."""

from dataclasses import dataclass

from torch import Tensor

from atelier_export.losses.perceptual import Distances
from atelier_export.settings import Settings, setting


@dataclass(frozen=True)
class LossWeights(Settings):
    """The weights of the terms, each 0 or more; a base class of settings that have them.

    Attributes:
        content_weight: Of the content distance.
        style_weight: Of the style distance, at full strength.
        variation_weight: Of the total variation.
    """

    content_weight: float = setting(1.0, "Weight of the content distance.", minimum=0)
    style_weight: float = setting(5.0, "Weight of the style distance.", minimum=0)
    variation_weight: float = setting(0.2, "Weight of the total variation.", minimum=0)

    def total(self, distances: Distances) -> Tensor:
        """The weighted sum, (B,)."""
        return (
            self.content_weight * distances.content
            + self.style_weight * distances.style
            + self.variation_weight * distances.variation
        )
