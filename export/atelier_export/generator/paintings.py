"""The training on paintings, in the latent maps of the variational autoencoder."""

import logging
from dataclasses import asdict
from pathlib import Path

import torch

from atelier_export.data.paintings import read_paintings
from atelier_export.generator.checkpoint import GeneratorCheckpoint, save_generator_checkpoint
from atelier_export.generator.maps import encode_paintings
from atelier_export.generator.network import GANConfig
from atelier_export.generator.painter import LatentDecoder
from atelier_export.generator.settings import PaintingData, PaintingSettings
from atelier_export.generator.training import GANTraining
from atelier_export.publishing.manifest import sha256
from atelier_export.settings import RunSettings
from atelier_export.training.device import usable_device
from atelier_export.training.loop import run_training
from atelier_export.vae.checkpoint import load_vae_checkpoint

_log = logging.getLogger(__name__)

CHECKPOINT = "generator.safetensors"


def train(data: PaintingData, settings: PaintingSettings, run: RunSettings) -> Path:
    """Train a generator on paintings and their movements.

    It paints in the latents of a trained autoencoder, whose encodings of all paintings are computed
    first. Writes the checkpoint generator.safetensors, loss.png and sample sheets to the output
    folder. Killed at any moment, the same command goes on from the last saved state.

    Args:
        data: What to learn from.
        settings: How to train.
        run: Where, and how often to report.

    Returns:
        The checkpoint's path.

    Raises:
        OSError: An input cannot be read, or the output not be written.
        ValueError: An input cannot be used; or as of `run_training`.
    """
    device = usable_device(run.device)
    vae = load_vae_checkpoint(data.vae).network.to(device)
    vae.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if vae.config.colors != 3:
        raise ValueError(f"{data.vae} was trained on digits; give one of `atelier train vae`")
    paintings = read_paintings(data.paintings, vae.config.side, strict=data.strict)
    known = {"images": paintings.fingerprint, "vae": sha256(data.vae.read_bytes())}

    # Encodings
    indices = paintings.indices("training")
    _log.info("encoding %s paintings and their mirror images", f"{len(indices):,}")
    maps = encode_paintings(vae, paintings.images[indices], settings.flip)

    # Training
    config = GANConfig(
        classes=len(paintings.classes), colors=vae.config.latent_channels,
        side=vae.config.latent_side, latent=settings.latent, channels=settings.channels,
    )  # fmt: skip
    training = GANTraining(
        config,
        LatentDecoder(vae, *maps.moments()),
        maps.standardised(),
        paintings.labels[indices],
        paintings.classes,
        settings,
        device,
        known,
    )
    run_training(training, run)
    checkpoint = run.output / CHECKPOINT
    save_generator_checkpoint(
        checkpoint,
        GeneratorCheckpoint(training.result, paintings.classes, {**asdict(settings), **known}),
    )
    return checkpoint
