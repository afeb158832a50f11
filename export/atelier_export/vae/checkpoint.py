"""Checkpoints of variational autoencoders.

One file holds both networks and the likelihood, by the prefixes `encoder.`, `decoder.` and
`likelihood.`; the description holds their configuration and how the weights were made.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from atelier_export.publishing.checkpoint import config_from, load_checkpoint, save_checkpoint
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
    return load_checkpoint(path, _KIND, "vae", _build)


def _build(description: dict[str, Any], weights: dict[str, Tensor]) -> VAECheckpoint:
    network = VAE(config_from(VAEConfig, description["network"]))
    network.load_state_dict(weights)
    return VAECheckpoint(network.eval(), description["training"])
