"""The same code on MNIST, judged by a classifier of real digits."""

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from atelier_export.data.images import to_levels
from atelier_export.data.mnist import read_digits
from atelier_export.generator.checkpoint import GeneratorCheckpoint, save_generator_checkpoint
from atelier_export.generator.judge import Judge, Judgement
from atelier_export.generator.maps import PixelMaps
from atelier_export.generator.measures import frechet_distance
from atelier_export.generator.network import GANConfig
from atelier_export.generator.painter import Painter, PixelDecoder, draw_latents, paint
from atelier_export.generator.paintings import CHECKPOINT
from atelier_export.generator.settings import DigitData, DigitSettings
from atelier_export.generator.training import GANTraining
from atelier_export.settings import RunSettings
from atelier_export.training.device import usable_device
from atelier_export.training.loop import run_training

_log = logging.getLogger(__name__)

TEST_SEED = 20140610
"""Seed of the samples that are judged."""


def train_digits(data: DigitData, settings: DigitSettings, run: RunSettings) -> Path:
    """Train a small generator of the digits of MNIST, with the same code.

    Writes the checkpoint generator.safetensors, loss.png and sample sheets to the output folder,
    and reports what a classifier of real digits says of the samples. Killed at any moment, the same
    command goes on from the last saved state.

    Args:
        data: What to learn from, and the classifier.
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
    judge = Judge(data.classifier, digits.classes)
    indices = digits.indices("training")
    maps = PixelMaps(digits.images[indices, :1])  # (n, 1, 28, 28)
    config = GANConfig(
        classes=len(digits.classes), colors=1, side=maps.images.shape[-1],
        latent=settings.latent, channels=settings.channels, bounded=True,
    )  # fmt: skip
    known = {"images": digits.fingerprint}
    training = GANTraining(
        config, PixelDecoder(), maps, digits.labels[indices], digits.classes, settings, device,
        known,
    )  # fmt: skip
    run_training(training, run)

    # As many samples of each class as there are test digits, judged
    painter, test = training.result.eval(), digits.indices("test")
    _log.info("judging %s samples", f"{len(test):,}")
    asked = digits.labels[test]
    figures = digit_figures(
        judge(sample_digits(painter, asked)), asked.numpy(),
        training=judge(digits.images[indices]), test=judge(digits.images[test]),
    )  # fmt: skip
    _log.info(
        "accuracy %.2f %%, mean confidence %.2f %%, Fréchet distance %.3f, of test digits %.3f",
        100 * figures["accuracy"], 100 * figures["confidence"], figures["frechet_distance"],
        figures["floor"],
    )  # fmt: skip
    checkpoint = run.output / CHECKPOINT
    recorded = {**asdict(settings), **known, "test": figures}
    save_generator_checkpoint(checkpoint, GeneratorCheckpoint(painter, digits.classes, recorded))
    return checkpoint


def sample_digits(painter: Painter, labels: Tensor) -> Tensor:
    """One sample of each label (n,), without truncation: (n, 3, 28, 28) uint8."""
    random = np.random.default_rng(TEST_SEED)
    latents = draw_latents(random, len(labels), painter.generator.config.latent)
    images = to_levels(paint(painter, torch.from_numpy(latents), labels))  # (n, 1, 28, 28)
    return images.expand(-1, 3, -1, -1)


def digit_figures(
    samples: Judgement, asked: np.typing.NDArray[np.int64], training: Judgement, test: Judgement
) -> dict[str, Any]:
    """What a classifier says of samples, as plain JSON.

    Args:
        samples: Of n samples.
        asked: The classes that they were asked for, (n,).
        training: Of the real digits that were learnt from.
        test: Of other real digits.
    """
    shares = np.bincount(samples.classes, minlength=samples.probabilities.shape[1]) / len(asked)
    return {
        "images": len(asked),
        "accuracy": float((samples.classes == asked).mean()),
        "confidence": float(samples.probabilities.max(axis=1).mean()),
        "shares": shares.tolist(),
        "asked_shares": (np.bincount(asked, minlength=len(shares)) / len(asked)).tolist(),
        "frechet_distance": frechet_distance(training.features, samples.features),
        "floor": frechet_distance(training.features, test.features),
    }
