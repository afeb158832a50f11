"""The family of the variational autoencoder, see `families`."""

from pathlib import Path

from atelier_export.publishing.calibration import calibration_of
from atelier_export.publishing.served_model import ServedModel
from atelier_export.vae.checkpoint import load_vae_checkpoint
from atelier_export.vae.digits import train_digits
from atelier_export.vae.evaluation import evaluate
from atelier_export.vae.int8 import VAEQuality
from atelier_export.vae.int8_calibration import calibrate
from atelier_export.vae.paintings import train
from atelier_export.vae.report import evaluation_tables as tables
from atelier_export.vae.serving import vae_models

__all__ = ["calibrate", "evaluate", "served_models", "tables", "train", "train_digits"]


def served_models(checkpoint: Path) -> list[ServedModel]:
    """The models of a checkpoint; raises as the functions that it calls."""
    return vae_models(load_vae_checkpoint(checkpoint), calibration_of(checkpoint, VAEQuality))
