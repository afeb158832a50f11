"""The same code on binarised MNIST, where it is known what a right implementation reaches."""

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from atelier_export.data.mnist import read_digits
from atelier_export.settings import RunSettings
from atelier_export.training.device import usable_device
from atelier_export.training.loop import run_training
from atelier_export.vae.bounds import Bounds, measure_bounds
from atelier_export.vae.checkpoint import VAECheckpoint, save_vae_checkpoint
from atelier_export.vae.network import VAE, VAEConfig
from atelier_export.vae.paintings import CHECKPOINT
from atelier_export.vae.settings import DigitData, DigitSettings
from atelier_export.vae.training import VAETraining

_log = logging.getLogger(__name__)

DIGITS_NETWORK = VAEConfig(
    side=28, colors=1, channels=(16, 32, 64), blocks=(0, 1, 3), latent_channels=1,
    likelihood="bernoulli",
)  # fmt: skip
"""A latent of 49 numbers, about as many as in Burda et al. 2016 (50)."""
IMPORTANCE_SAMPLES = 50
"""K of the importance-weighted bound."""
TEST_SEED = 20151103
"""Seed of the test's binarisation and of the samples of its bounds."""


def train_digits(data: DigitData, settings: DigitSettings, run: RunSettings) -> Path:
    """Train a small variational autoencoder on binarised MNIST, with the same code.

    Writes the checkpoint vae.safetensors, loss.png and sample sheets to the output folder, and
    reports the bounds of the test part's log-likelihood. Killed at any moment, the same command
    goes on from the last saved state.

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
    digits = read_digits(data.digits)
    grey = digits.images[:, :1]  # (N, 1, 28, 28)
    torch.manual_seed(settings.seed)
    network = VAE(DIGITS_NETWORK).to(device)
    training = VAETraining(
        network,
        grey[digits.indices("training")],
        grey[digits.indices("validation")],
        digit_batch,
        settings,
        made_from={"images": digits.fingerprint, "network": asdict(DIGITS_NETWORK)},
    )
    run_training(training, run)

    # Bounds of the test part
    test = binarise(grey[digits.indices("test")], np.random.default_rng(TEST_SEED))
    _log.info("bounds of %s test digits, which takes some minutes", f"{len(test):,}")
    bounds = measure_bounds(
        training.result.eval(), test.to(device), IMPORTANCE_SAMPLES, seed=TEST_SEED
    )
    figures = bound_figures(bounds)
    _log.info("%s", "  ".join(f"{name} {value:.2f}" for name, value in figures.items()))
    checkpoint = run.output / CHECKPOINT
    recorded = {**asdict(settings), "images": digits.fingerprint, "test": figures}
    save_vae_checkpoint(checkpoint, VAECheckpoint(training.result, recorded))
    return checkpoint


def binarise(grey: Tensor, random: np.random.Generator) -> Tensor:
    """Black or white, white with the probability that is the grey (Salakhutdinov and Murray 2008).

    Args:
        grey: (B, 1, N, N) uint8.
        random: Where it is drawn from.

    Returns:
        (B, 1, N, N) float32, each value 0 or 1.
    """
    drawn = torch.from_numpy(random.random(tuple(grey.shape), np.float32))
    return (drawn < grey.float() / 255).float()


def digit_batch(images: Tensor, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Digits (B, 1, N, N) uint8, binarised anew: the inputs, and what is to be rebuilt."""
    image = binarise(images, random)  # (B, 1, N, N)
    return image, image


def bound_figures(bounds: Bounds) -> dict[str, Any]:
    """Means over the images in nats, the number of images and of samples, as plain JSON."""
    return {
        "images": len(bounds.kl),
        "elbo": float(bounds.elbo.mean()),
        "reconstruction": float(bounds.reconstruction.mean()),
        "kl": float(bounds.kl.mean()),
        "importance_weighted": float(bounds.importance_weighted.mean()),
        "importance_samples": IMPORTANCE_SAMPLES,
    }
