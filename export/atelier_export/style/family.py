"""The style family, see `families`."""

from pathlib import Path

from atelier_export.publishing.manifest import sha256
from atelier_export.publishing.served_model import ServedModel
from atelier_export.style.checkpoint import load_style_checkpoint
from atelier_export.style.evaluation import evaluate
from atelier_export.style.int8 import Int8Calibration, calibration_file
from atelier_export.style.report import evaluation_tables as tables
from atelier_export.style.serving import style_models
from atelier_export.style.training import train

__all__ = ["evaluate", "served_models", "tables", "train"]


def served_models(checkpoint: Path) -> list[ServedModel]:
    """The models of a checkpoint, in 8 bits too if it was calibrated.

    Raises as `load_style_checkpoint`, `Int8Calibration.load` and `style_models` do, and ValueError
    if the calibration is of other weights.
    """
    network = load_style_checkpoint(checkpoint)
    file = calibration_file(checkpoint)
    if not file.exists():
        return style_models(network)
    calibration = Int8Calibration.load(file)
    if calibration.checkpoint != sha256(checkpoint.read_bytes()):
        raise ValueError(
            f"{file} was measured on other weights than {checkpoint} has; run `atelier "
            "calibrate-style` again, or remove the file to publish float32 alone"
        )
    return style_models(network, calibration)
