"""Checkpoints of style networks: one safetensors file that says how to rebuild the network.

The metadata holds the network's configuration, the names of the styles in the order of the
network's style vector, and how the weights were made.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from atelier_export.replacing import replacing
from atelier_export.style.network import StyleNetwork, StyleNetworkConfig

_KIND = "atelier style network 2"
_REMEDY = "`atelier train style` writes checkpoints"


@dataclass(frozen=True)
class StyleCheckpoint:
    """A trained style network, the names of its styles, and how it was trained."""

    network: StyleNetwork
    styles: tuple[str, ...]
    training: dict[str, Any]

    def __post_init__(self) -> None:
        """Refuses names that are not as many as the network's styles; raises ValueError."""
        names, styles = len(self.styles), self.network.config.styles
        if names != styles:
            raise ValueError(f"{names} names for a network of {styles} styles")


def save_style_checkpoint(path: Path, checkpoint: StyleCheckpoint) -> None:
    """Writes a checkpoint atomically, in float32; raises OSError if it cannot."""
    metadata = {
        "kind": _KIND,
        "network": json.dumps(asdict(checkpoint.network.config)),
        "styles": json.dumps(checkpoint.styles),
        "training": json.dumps(checkpoint.training, sort_keys=True),
    }
    weights = {
        name: value.detach().float().cpu().contiguous()
        for name, value in checkpoint.network.state_dict().items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        save_file(weights, partial, metadata)


def load_style_checkpoint(path: Path) -> StyleCheckpoint:
    """Rebuilds the network, in float32 on the CPU, ready for inference.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not a checkpoint of a style network.
    """
    if not path.is_file():
        trouble = "is a folder" if path.is_dir() else "does not exist"
        raise FileNotFoundError(f"{path} {trouble}; {_REMEDY}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is not a safetensors file: {error}; {_REMEDY}") from error
    if metadata.get("kind") != _KIND:
        kind = metadata.get("kind") or "no checkpoint"
        raise ValueError(f"{path} is {kind!r}, not {_KIND!r}; {_REMEDY}")
    try:
        fields = json.loads(metadata["network"])
        fields |= {name: tuple(fields[name]) for name in ("channels", "blocks")}
        network = StyleNetwork(StyleNetworkConfig(**fields))
        network.load_state_dict(weights)
        styles, training = json.loads(metadata["styles"]), json.loads(metadata["training"])
        return StyleCheckpoint(network.eval(), tuple(styles), training)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path} does not hold the network that it describes: {error}") from error
