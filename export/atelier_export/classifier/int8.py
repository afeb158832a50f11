"""The gate that a classifier in 8 bits must pass."""

from dataclasses import dataclass

from atelier_export.publishing.errors import QualityError

LARGEST_LOSS = 0.002
"""Of the share of paintings whose movement, or era, is recognised."""


@dataclass(frozen=True)
class ClassifierQuality:
    """How much the 8 bits change, on held-out paintings.

    Attributes:
        float32: Share of the paintings whose "movement" and "era" the float32 network recognises.
        int8: The same of the 8-bit network.
        agreement: Share of the paintings to which both give the same movement.
        mean_difference: Of a movement's probability.
        paintings: Their number.
        milliseconds: Of one painting with one thread, "float32" and "int8" in turns.
    """

    float32: dict[str, float]
    int8: dict[str, float]
    agreement: float
    mean_difference: float
    paintings: int
    milliseconds: dict[str, float]

    def check(self) -> None:
        """The gate; raises QualityError for what misses it."""
        for name, share in self.float32.items():
            # Written so that nan is refused too.
            if not share - self.int8[name] <= LARGEST_LOSS:
                raise QualityError(
                    f"8 bits recognise the {name} of {self.int8[name]:.2%} of the paintings, "
                    f"float32 of {share:.2%}; at most {LARGEST_LOSS:.1%} less is allowed"
                )
