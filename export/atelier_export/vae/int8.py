"""The gate that an autoencoder in 8 bits must pass."""

from dataclasses import dataclass

from atelier_export.publishing.errors import QualityError

LARGEST_LOSSES = {"psnr": 0.1, "ssim": 0.005}
"""Of the means over rebuilt paintings, in decibels and of 1."""


@dataclass(frozen=True)
class VAEQuality:
    """How much the 8 bits change, on held-out paintings.

    Attributes:
        float32: Mean "psnr" and "ssim" of what the float32 networks rebuild.
        int8: The same where encoder and decoder are in 8 bits.
        mean_difference: Of the pixels of both decoders, of the same latents, in levels of 255.
        largest_difference: Of these pixels.
        paintings: Their number.
        milliseconds: Of one image with one thread, by model "float32" and "int8" in turns.
    """

    float32: dict[str, float]
    int8: dict[str, float]
    mean_difference: float
    largest_difference: float
    paintings: int
    milliseconds: dict[str, dict[str, float]]

    def check(self) -> None:
        """The gate; raises QualityError for what misses it."""
        for name, largest in LARGEST_LOSSES.items():
            loss = self.float32[name] - self.int8[name]
            # Written so that nan is refused too.
            if not loss <= largest:
                raise QualityError(
                    f"8 bits cost {loss:.4g} of {name} ({self.float32[name]:.4g} in float32); at "
                    f"most {largest:g} is allowed: keep more layers in float32"
                )
