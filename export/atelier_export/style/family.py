"""The style family, see `families`."""

from pathlib import Path

from atelier_export.publishing.calibration import calibration_of
from atelier_export.publishing.served_model import ServedModel
from atelier_export.style.calibration import calibrate
from atelier_export.style.checkpoint import load_style_checkpoint
from atelier_export.style.evaluation import evaluate
from atelier_export.style.int8 import StyleQuality
from atelier_export.style.report import evaluation_tables as tables
from atelier_export.style.serving import style_models
from atelier_export.style.training import train

__all__ = ["calibrate", "evaluate", "served_models", "tables", "train"]


def served_models(checkpoint: Path) -> list[ServedModel]:
    """The models of a checkpoint; raises as the functions that it calls."""
    return style_models(load_style_checkpoint(checkpoint), calibration_of(checkpoint, StyleQuality))
