"""The classifier family, see `families`."""

from pathlib import Path

from atelier_export.classifier.checkpoint import load_classifier_checkpoint
from atelier_export.classifier.evaluation import evaluate
from atelier_export.classifier.int8 import ClassifierQuality
from atelier_export.classifier.int8_calibration import calibrate
from atelier_export.classifier.report import evaluation_tables as tables
from atelier_export.classifier.serving import classifier_models
from atelier_export.classifier.training import train, train_digits
from atelier_export.publishing.calibration import calibration_of
from atelier_export.publishing.served_model import ServedModel

__all__ = ["calibrate", "evaluate", "served_models", "tables", "train", "train_digits"]


def served_models(checkpoint: Path) -> list[ServedModel]:
    """The models of a checkpoint; raises as the functions that it calls."""
    return classifier_models(
        load_classifier_checkpoint(checkpoint), calibration_of(checkpoint, ClassifierQuality)
    )
