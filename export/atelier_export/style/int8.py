"""The gate that a style network in 8 bits must pass."""

from dataclasses import dataclass

from atelier_export.publishing.errors import QualityError

LARGEST_CHANGE = 0.01
"""Of a style's content distance, style distance and temporal stability, relative to float32."""
LARGEST_MEAN_DIFFERENCE = 3.0
"""Of the pixels from float32's, in levels of 255."""
GATED = ("content", "style", "moved")
"""The measures that the gate compares, see `evaluation`."""


@dataclass(frozen=True)
class StyleQuality:
    """How much the 8 bits change, on held-out photographs.

    Attributes:
        float32: By style, `GATED` and `noise` of the float32 network. The latter is the answer to
            noise of ±2 levels, to which rounding to 8 bits always adds its own.
        int8: The same of the 8-bit network.
        mean_difference: Of the pixels, in levels of 255.
        largest_difference: Of the pixels, in levels of 255.
        photographs: Their number.
    """

    float32: dict[str, dict[str, float]]
    int8: dict[str, dict[str, float]]
    mean_difference: float
    largest_difference: float
    photographs: int

    def change(self, style: str, measure: str) -> float:
        """The relative change of a measure; above 0 it is worse than float32."""
        return self.int8[style][measure] / self.float32[style][measure] - 1

    def check(self) -> None:
        """The gate; raises QualityError for what misses it."""
        for style in self.float32:
            for measure in GATED:
                change = self.change(style, measure)
                # Written so that nan is refused too.
                if not abs(change) < LARGEST_CHANGE:
                    raise QualityError(
                        f"8 bits change {measure} of {style} by {change:+.2%}; less than "
                        f"{LARGEST_CHANGE:.0%} is allowed: keep more layers in float32"
                    )
        if not self.mean_difference < LARGEST_MEAN_DIFFERENCE:
            raise QualityError(
                f"8 bits change pixels by {self.mean_difference:.2f} levels on average; less than "
                f"{LARGEST_MEAN_DIFFERENCE:g} is allowed: keep more layers in float32"
            )
