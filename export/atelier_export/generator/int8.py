"""The gate that a generator in 8 bits must pass."""

from dataclasses import dataclass

from atelier_export.publishing.errors import QualityError

LARGEST_INCREASE = 0.01
"""Of the Fréchet distance, relative to float32."""
LARGEST_LOSS = 0.01
"""Of the share of samples whose movement is recognised."""


@dataclass(frozen=True)
class GeneratorQuality:
    """How much the 8 bits change, on as many samples as there are test paintings.

    Attributes:
        float32: Figures of the float32 network's samples, see `evaluation.set_figures`.
        int8: The same of the 8-bit network, of the same latents.
        mean_difference: Of the pixels, in levels of 255.
        largest_difference: Of the pixels, in levels of 255.
        samples: Their number.
        milliseconds: Of one image with one thread, "float32" and "int8" in turns.
    """

    float32: dict[str, float]
    int8: dict[str, float]
    mean_difference: float
    largest_difference: float
    samples: int
    milliseconds: dict[str, float]

    def check(self) -> None:
        """The gate; raises QualityError for what misses it."""
        # Both are written so that nan is refused too.
        increase = self.int8["frechet_distance"] / self.float32["frechet_distance"] - 1
        if not increase <= LARGEST_INCREASE:
            raise QualityError(
                f"8 bits add {increase:.2%} to the Fréchet distance; at most "
                f"{LARGEST_INCREASE:.0%} is allowed: keep more layers in float32"
            )
        loss = self.float32["recognised"] - self.int8["recognised"]
        if not loss <= LARGEST_LOSS:
            raise QualityError(
                f"8 bits cost {loss:.2%} of the samples whose movement is recognised; at most "
                f"{LARGEST_LOSS:.0%} is allowed: keep more layers in float32"
            )
