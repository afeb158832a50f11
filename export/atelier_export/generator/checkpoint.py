"""Checkpoints of generators.

One file holds the generator and what makes images of its maps, by the prefixes `generator.` and
`decoder.`; the description holds their configurations, the names of the classes in the order of the
labels, and how the weights were made.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from atelier_export.generator.network import GANConfig, Generator
from atelier_export.generator.painter import LatentDecoder, Painter, PixelDecoder
from atelier_export.publishing.checkpoint import config_from, load_checkpoint, save_checkpoint
from atelier_export.vae.network import VAE, VAEConfig

_KIND = "atelier generator 1"


@dataclass(frozen=True)
class GeneratorCheckpoint:
    """A trained generator with its decoder, its classes, and how it was trained."""

    painter: Painter
    classes: tuple[str, ...]
    training: dict[str, Any]

    def __post_init__(self) -> None:
        """Raises ValueError unless there is one name for each of the generator's classes."""
        names, classes = len(self.classes), self.painter.generator.config.classes
        if names != classes:
            raise ValueError(f"{names} names for a generator of {classes} classes")


def save_generator_checkpoint(path: Path, checkpoint: GeneratorCheckpoint) -> None:
    """Writes a checkpoint, see `save_checkpoint`, whose errors it raises."""
    decoder = checkpoint.painter.decoder
    description = {
        "network": asdict(checkpoint.painter.generator.config),
        "vae": asdict(decoder.config) if isinstance(decoder, LatentDecoder) else None,
        "classes": checkpoint.classes,
        "training": checkpoint.training,
    }
    save_checkpoint(path, _KIND, checkpoint.painter.state_dict(), description)


def load_generator_checkpoint(path: Path) -> GeneratorCheckpoint:
    """Rebuilds the networks, in float32 on the CPU, ready for inference.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not a checkpoint of a generator.
    """
    return load_checkpoint(path, _KIND, "generator", _build)


def _build(description: dict[str, Any], weights: dict[str, Tensor]) -> GeneratorCheckpoint:
    generator = Generator(config_from(GANConfig, description["network"]))
    vae = description["vae"]
    decoder = LatentDecoder(VAE(config_from(VAEConfig, vae))) if vae else PixelDecoder()
    painter = Painter(generator, decoder)
    painter.load_state_dict(weights)
    classes = tuple(description["classes"])
    return GeneratorCheckpoint(painter.eval(), classes, description["training"])
