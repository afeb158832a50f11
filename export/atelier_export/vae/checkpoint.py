"""Checkpoints of variational autoencoders.

One file holds both networks and the likelihood, by the prefixes `encoder.`, `decoder.` and
`likelihood.`; the description holds their configuration and how the weights were made.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from atelier_export.publishing.checkpoint import load_checkpoint, save_checkpoint
from atelier_export.vae.network import VAE, VAEConfig

_KIND = "atelier vae 1"


@dataclass(frozen=True)
class VAECheckpoint:
    """A trained variational autoencoder, and how it was trained."""

    network: VAE
    training: dict[str, Any]


def save_vae_checkpoint(path: Path, checkpoint: VAECheckpoint) -> None:
    """Writes a checkpoint, see `save_checkpoint`, whose errors it raises."""
    description = {
        "network": asdict(checkpoint.network.config),
        "training": checkpoint.training,
    }
    save_checkpoint(path, _KIND, checkpoint.network.state_dict(), description)


def load_vae_checkpoint(path: Path) -> VAECheckpoint:
    """Rebuilds the networks, in float32 on the CPU, ready for inference.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not a checkpoint of a variational autoencoder.
    """
    weights, description = load_checkpoint(path, _KIND, "vae")
    try:
        network = VAE(network_config(description["network"]))
        network.load_state_dict(weights)
        return VAECheckpoint(network.eval(), description["training"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path} does not hold the network that it describes: {error}") from error


def network_config(fields: dict[str, Any]) -> VAEConfig:
    """A configuration from its fields as they come back from JSON, tuples as lists."""
    tuples = {name: tuple(fields[name]) for name in ("channels", "blocks")}
    return VAEConfig(**{**fields, **tuples})
