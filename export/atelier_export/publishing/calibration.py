"""Calibrations: what an export needs to write the networks of a checkpoint in 8 bits.

The ranges and the quality that was measured with them lie beside the checkpoint, so that an export
needs no images.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from atelier_export.files.atomic_write import atomic_write
from atelier_export.publishing.manifest import sha256
from atelier_export.publishing.served_model import ConvRange

_COMPUTE_CAPABILITIES = (
    *("7.0", "7.5", "8.0", "8.6", "8.7", "8.9", "9.0", "10.0", "10.3", "11.0", "12.0", "12.1"),
)
"""Of all GPUs that there are; one that is not named takes the file of the processors."""
INT8_FILES = (
    """
# Processors take the network in 8 bits, GPUs (by compute capability) the one in float32. Name
# model.onnx here for float32 on a processor too.
default_model_filename: "model.int8.onnx"
cc_model_filenames [
"""
    + ",\n".join(
        f'  {{ key: "{capability}" value: "model.onnx" }}' for capability in _COMPUTE_CAPABILITIES
    )
    + "\n]\n"
)
"""The lines of a config.pbtxt that say which machine takes which file."""


class Quality(Protocol):
    """What a family measured of its networks in 8 bits: a dataclass of plain JSON."""

    def check(self) -> None:
        """The gate; raises QualityError for what misses it."""


QualityT = TypeVar("QualityT", bound=Quality)


@dataclass(frozen=True)
class Calibration(Generic[QualityT]):
    """What an export needs to write networks in 8 bits.

    Attributes:
        checkpoint: sha256 of the checkpoint that was measured.
        ranges: Of the convolutions in 8 bits, by model and by their weights in its graph.
        quality: What was measured with these ranges.
    """

    checkpoint: str
    ranges: Mapping[str, Mapping[str, ConvRange]]
    quality: QualityT

    def save(self, path: Path) -> None:
        """Writes the file; raises OSError if it cannot."""
        with atomic_write(path) as partial:
            partial.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


def load_calibration(path: Path, quality: type[QualityT]) -> Calibration[QualityT]:
    """Reads what `save` wrote; raises ValueError for anything else."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        ranges = {
            model: {
                weight: ConvRange(tuple(each["input"]), tuple(each["output"]))
                for weight, each in convolutions.items()
            }
            for model, convolutions in content["ranges"].items()
        }
        return Calibration(content["checkpoint"], ranges, quality(**content["quality"]))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} is no calibration ({error!r}); `atelier calibrate` writes one"
        ) from error


def calibration_of(checkpoint: Path, quality: type[QualityT]) -> Calibration[QualityT] | None:
    """The calibration beside a checkpoint; None if it was not calibrated.

    Raises:
        OSError: A file cannot be read.
        ValueError: The calibration is none, or of other weights.
        QualityError: It misses the gate.
    """
    file = calibration_file(checkpoint)
    if not file.exists():
        return None
    calibration = load_calibration(file, quality)
    if calibration.checkpoint != sha256(checkpoint.read_bytes()):
        raise ValueError(
            f"{file} was measured on other weights than {checkpoint} has; run `atelier calibrate` "
            "again, or remove the file to publish float32 alone"
        )
    calibration.quality.check()
    return calibration


def calibration_file(checkpoint: Path) -> Path:
    """Where the calibration of a checkpoint lies: style.int8.json beside style.safetensors."""
    return checkpoint.with_suffix(".int8.json")
