"""The training on paintings: clean, noisy and damaged ones."""

import logging
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from atelier_export.data.paintings import read_paintings
from atelier_export.publishing.manifest import sha256
from atelier_export.settings import RunSettings
from atelier_export.training.device import usable_device
from atelier_export.training.loop import run_training
from atelier_export.vae.checkpoint import VAECheckpoint, save_vae_checkpoint
from atelier_export.vae.corruption import corrupt
from atelier_export.vae.network import VAE, VAEConfig
from atelier_export.vae.perceptual import PerceptualDistance
from atelier_export.vae.settings import PaintingData, PaintingSettings
from atelier_export.vae.training import VAETraining

_log = logging.getLogger(__name__)

CHECKPOINT = "vae.safetensors"


def train(data: PaintingData, settings: PaintingSettings, run: RunSettings) -> Path:
    """Train a variational autoencoder on paintings.

    It learns to rebuild them, and to mend noise and holes. Writes the checkpoint vae.safetensors,
    loss.png and sample sheets to the output folder. Killed at any moment, the same command goes on
    from the last saved state.

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
    paintings = read_paintings(data.paintings, settings.side, strict=data.strict)
    known: dict[str, Any] = {"images": paintings.fingerprint}
    perceptual = None
    if data.vgg is not None and settings.perceptual_weight:
        distance = PerceptualDistance.load(data.vgg, device)
        perceptual = distance, settings.perceptual_weight, settings.perceptual_images
        known["vgg"] = sha256(data.vgg.read_bytes())
    config = VAEConfig(side=settings.side, latent_channels=settings.latent_channels)
    torch.manual_seed(settings.seed)
    network = VAE(config).to(device)
    training = VAETraining(
        network,
        paintings.images[paintings.indices("training")],
        paintings.images[paintings.indices("validation")],
        partial(painting_batch, settings=settings),
        settings,
        perceptual,
        {**known, "network": asdict(config)},
    )
    size = sum(parameter.numel() for parameter in network.parameters())
    _log.info("%d parameters, %d images", size, len(paintings.indices("training")))
    run_training(training, run)
    checkpoint = run.output / CHECKPOINT
    save_vae_checkpoint(checkpoint, VAECheckpoint(training.result, {**asdict(settings), **known}))
    return checkpoint


def painting_batch(
    images: Tensor, random: np.random.Generator, settings: PaintingSettings
) -> tuple[Tensor, Tensor]:
    """Mirrors some paintings, and corrupts some: the inputs, and what they are to become.

    Args:
        images: (B, 3, N, N) uint8.
        random: Where all is drawn from.
        settings: Shares and strengths.

    Returns:
        (B, 3, N, N) each, in 0..1.
    """
    image = images.float() / 255  # (B, 3, N, N)
    mirrored = torch.from_numpy(random.random(len(image)) < settings.flip)
    image = torch.where(mirrored[:, None, None, None], image.flip(3), image)
    return corrupt(image, random, settings.corrupted, settings.noise), image
