"""Checkpoints of classifiers.

The description holds the network's configuration, the names of the classes in the order of the
logits, and how the weights were made.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from atelier_export.classifier.network import Classifier, ClassifierConfig
from atelier_export.publishing.checkpoint import config_from, load_checkpoint, save_checkpoint

_KIND = "atelier classifier 1"


@dataclass(frozen=True)
class ClassifierCheckpoint:
    """A trained classifier with calibrated logits, its classes, and how it was trained."""

    network: Classifier
    classes: tuple[str, ...]
    training: dict[str, Any]

    def __post_init__(self) -> None:
        """Raises ValueError unless there is one name for each of the network's classes."""
        names, classes = len(self.classes), self.network.config.classes
        if names != classes:
            raise ValueError(f"{names} names for a classifier of {classes} classes")


def save_classifier_checkpoint(path: Path, checkpoint: ClassifierCheckpoint) -> None:
    """Writes a checkpoint, see `save_checkpoint`, whose errors it raises."""
    description = {
        "network": asdict(checkpoint.network.config),
        "classes": checkpoint.classes,
        "training": checkpoint.training,
    }
    save_checkpoint(path, _KIND, checkpoint.network.state_dict(), description)


def load_classifier_checkpoint(path: Path) -> ClassifierCheckpoint:
    """Rebuilds the network, in float32 on the CPU, ready for inference.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not a checkpoint of a classifier.
    """
    return load_checkpoint(path, _KIND, "classifier", _build)


def _build(description: dict[str, Any], weights: dict[str, Tensor]) -> ClassifierCheckpoint:
    network = Classifier(config_from(ClassifierConfig, description["network"]))
    network.load_state_dict(weights)
    classes = tuple(description["classes"])
    return ClassifierCheckpoint(network.eval(), classes, description["training"])
