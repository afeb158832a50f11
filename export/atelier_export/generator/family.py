"""The family of the generator, see `families`."""

from pathlib import Path

from atelier_export.generator.checkpoint import load_generator_checkpoint
from atelier_export.generator.digits import train_digits
from atelier_export.generator.evaluation import evaluate
from atelier_export.generator.int8 import GeneratorQuality
from atelier_export.generator.int8_calibration import calibrate
from atelier_export.generator.paintings import train
from atelier_export.generator.report import evaluation_tables as tables
from atelier_export.generator.serving import generator_models
from atelier_export.publishing.calibration import calibration_of
from atelier_export.publishing.served_model import ServedModel

__all__ = ["calibrate", "evaluate", "served_models", "tables", "train", "train_digits"]


def served_models(checkpoint: Path) -> list[ServedModel]:
    """The models of a checkpoint; raises as the functions that it calls."""
    return generator_models(
        load_generator_checkpoint(checkpoint), calibration_of(checkpoint, GeneratorQuality)
    )
