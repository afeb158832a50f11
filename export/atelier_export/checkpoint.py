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

from atelier_export.style_network import StyleNetwork, StyleNetworkConfig

_KIND = "atelier style network 2"


@dataclass(frozen=True)
class StyleCheckpoint:
    """A trained style network, the names of its styles, and how it was trained."""

    network: StyleNetwork
    styles: tuple[str, ...]
    training: dict[str, Any]


def save_style_checkpoint(path: Path, checkpoint: StyleCheckpoint) -> None:
    """Writes a checkpoint atomically, in float32.

    Raises:
        ValueError: The number of names is not the network's number of styles.
    """
    config = checkpoint.network.config
    if len(checkpoint.styles) != config.styles:
        raise ValueError(f"{len(checkpoint.styles)} names for a network of {config.styles} styles")
    metadata = {
        "kind": _KIND,
        "network": json.dumps(asdict(config)),
        "styles": json.dumps(checkpoint.styles),
        "training": json.dumps(checkpoint.training, sort_keys=True),
    }
    weights = {
        name: value.detach().float().cpu().contiguous()
        for name, value in checkpoint.network.state_dict().items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    save_file(weights, partial, metadata)
    partial.replace(path)


def load_style_checkpoint(path: Path) -> StyleCheckpoint:
    """Rebuilds the network, in float32 on the CPU, ready for inference.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not a checkpoint of a style network.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; `atelier train style` writes checkpoints")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is not a safetensors file: {error}") from error
    if metadata.get("kind") != _KIND:
        raise ValueError(f"{path} is {metadata.get('kind') or 'no checkpoint'!r}, not {_KIND!r}")
    try:
        fields = json.loads(metadata["network"])
        fields |= {name: tuple(fields[name]) for name in ("channels", "blocks")}
        network = StyleNetwork(StyleNetworkConfig(**fields))
        network.load_state_dict(weights)
        styles, training = json.loads(metadata["styles"]), json.loads(metadata["training"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path} does not hold the network that it describes: {error}") from error
    return StyleCheckpoint(network.eval(), tuple(styles), training)
