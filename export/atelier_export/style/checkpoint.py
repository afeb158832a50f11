"""Checkpoints of style networks.

The description holds the network's configuration, the names of the styles in the order of the
network's style vector, and how the weights were made.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from atelier_export.publishing.checkpoint import config_from, load_checkpoint, save_checkpoint
from atelier_export.style.network import StyleNetwork, StyleNetworkConfig

_KIND = "atelier style network 2"


@dataclass(frozen=True)
class StyleCheckpoint:
    """A trained style network, the names of its styles, and how it was trained."""

    network: StyleNetwork
    styles: tuple[str, ...]
    training: dict[str, Any]

    def __post_init__(self) -> None:
        """Raises ValueError unless there is one name for each of the network's styles."""
        names, styles = len(self.styles), self.network.config.styles
        if names != styles:
            raise ValueError(f"{names} names for a network of {styles} styles")


def save_style_checkpoint(path: Path, checkpoint: StyleCheckpoint) -> None:
    """Writes a checkpoint, see `save_checkpoint`, whose errors it raises."""
    description = {
        "network": asdict(checkpoint.network.config),
        "styles": checkpoint.styles,
        "training": checkpoint.training,
    }
    save_checkpoint(path, _KIND, checkpoint.network.state_dict(), description)


def load_style_checkpoint(path: Path) -> StyleCheckpoint:
    """Rebuilds the network, in float32 on the CPU, ready for inference.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not a checkpoint of a style network.
    """
    return load_checkpoint(path, _KIND, "style", _build)


def _build(description: dict[str, Any], weights: dict[str, Tensor]) -> StyleCheckpoint:
    network = StyleNetwork(config_from(StyleNetworkConfig, description["network"]))
    network.load_state_dict(weights)
    styles = tuple(description["styles"])
    return StyleCheckpoint(network.eval(), styles, description["training"])
