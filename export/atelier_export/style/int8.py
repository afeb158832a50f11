"""The style network in 8 bits: where its ranges are stored, and the gate that it must pass.

The ranges and the quality that was measured with them lie beside the checkpoint, so that an export
needs no photographs.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from atelier_export.files.atomic_write import atomic_write
from atelier_export.publishing.errors import QualityError
from atelier_export.publishing.served_model import ConvRange

LARGEST_CHANGE = 0.01
"""Of a style's content distance, style distance and temporal stability, relative to float32."""
LARGEST_MEAN_DIFFERENCE = 3.0
"""Of the pixels from float32's, in levels of 255."""
GATED = ("content", "style", "moved")
"""The measures that the gate compares, see `evaluation`."""


@dataclass(frozen=True)
class Int8Quality:
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


@dataclass(frozen=True)
class Int8Calibration:
    """What an export needs to write a style network in 8 bits.

    Attributes:
        checkpoint: sha256 of the checkpoint that was measured.
        ranges: Of the convolutions in 8 bits, by their weights in the exported graph.
        quality: What was measured with these ranges.
    """

    checkpoint: str
    ranges: Mapping[str, ConvRange]
    quality: Int8Quality

    def save(self, path: Path) -> None:
        """Writes the file; raises OSError if it cannot."""
        with atomic_write(path) as partial:
            partial.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads what `save` wrote; raises ValueError for anything else."""
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            ranges = {
                weight: ConvRange(tuple(each["input"]), tuple(each["output"]))
                for weight, each in content["ranges"].items()
            }
            return cls(content["checkpoint"], ranges, Int8Quality(**content["quality"]))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path} is no calibration ({error!r}); `atelier calibrate-style` writes one"
            ) from error


def calibration_file(checkpoint: Path) -> Path:
    """Where the calibration of a checkpoint lies: style.int8.json beside style.safetensors."""
    return checkpoint.with_suffix(".int8.json")
