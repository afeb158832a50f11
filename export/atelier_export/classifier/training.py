"""The training of a classifier, one update at a time.

Each image is learnt from its label and, if there is a teacher, from its targets for the same crop:
probabilities (distillation, Hinton et al. 2015, arXiv:1503.02531), and statistics of activations,
which a separate head predicts from the same features (as the hints of Romero et al. 2015,
arXiv:1412.6550); that head is dropped afterwards.
"""

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from atelier_export.classifier.augmentation import crop, jitter_colors, mixup, random_windows
from atelier_export.classifier.calibration import fit_temperature, with_temperature
from atelier_export.classifier.checkpoint import ClassifierCheckpoint, save_classifier_checkpoint
from atelier_export.classifier.network import Classifier, ClassifierConfig
from atelier_export.classifier.prediction import predict
from atelier_export.classifier.settings import (
    ClassifierSettings,
    DigitData,
    DigitSettings,
    PaintingData,
    PaintingSettings,
)
from atelier_export.classifier.teacher import Teacher, cell_moments_in
from atelier_export.data.labelled_images import LabelledImages
from atelier_export.data.mnist import read_digits
from atelier_export.data.paintings import read_paintings
from atelier_export.publishing.manifest import sha256
from atelier_export.settings import RunSettings
from atelier_export.training.device import fast_precision, usable_device
from atelier_export.training.loop import Update, run_training
from atelier_export.training.moving_average import moving_average
from atelier_export.training.schedule import trapezoid
from atelier_export.training.state import Stateful

_log = logging.getLogger(__name__)

CHECKPOINT = "classifier.safetensors"
DIGITS_NETWORK = ClassifierConfig(10, stem=(32,), channels=(32, 64, 128), blocks=(1, 1, 1))


def train(data: PaintingData, settings: PaintingSettings, run: RunSettings) -> Path:
    """Train a classifier on paintings and their movements.

    It learns from the labels and from VGG-19, whose activations are computed once, in some minutes,
    and cached in the output folder. Writes the checkpoint classifier.safetensors and loss.png
    there. After a kill, the same command resumes from the last saved state.

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
    paintings = read_paintings(
        data.paintings, settings.last_side, settings.split, strict=data.strict
    )
    known = {"images": paintings.fingerprint, "vgg": sha256(data.vgg.read_bytes())}
    moments = cell_moments_in(run.output, data.vgg, paintings.images)
    training = paintings.indices("training")
    teacher = Teacher(moments[training], len(paintings.classes), settings.components)
    return _train(
        paintings, ClassifierConfig(len(paintings.classes)), settings, run, known, teacher
    )


def train_digits(data: DigitData, settings: DigitSettings, run: RunSettings) -> Path:
    """Train a small classifier on the digits of MNIST, with the same code.

    Writes the checkpoint classifier.safetensors and loss.png to the output folder. After a kill,
    the same command resumes from the last saved state.

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
    digits = read_digits(data.digits)
    return _train(digits, DIGITS_NETWORK, settings, run, {"images": digits.fingerprint}, None)


def _train(
    data: LabelledImages,
    config: ClassifierConfig,
    settings: ClassifierSettings,
    run: RunSettings,
    known: dict[str, str],
    teacher: Teacher | None,
) -> Path:
    device = usable_device(run.device)
    if device.type != "cpu":
        raise ValueError(f"the classifier is trained on the cpu alone, not on {run.device}")
    torch.manual_seed(settings.seed)
    network = Classifier(config)
    indices = data.indices("training")
    recorded = asdict(settings)
    training = ClassifierTraining(
        network, data.images[indices], data.labels[indices], settings, teacher,
        {**recorded, "classes": data.classes, **known},
    )  # fmt: skip
    size = sum(parameter.numel() for parameter in network.parameters())
    _log.info("%d parameters, %d images", size, len(indices))
    run_training(training, run)

    # The moving average is the result, with probabilities calibrated on the validation part.
    result = training.result
    validation = data.indices("validation")
    logits = predict(result, data.images[validation])
    temperature = fit_temperature(logits, data.labels[validation])
    recorded |= {"temperature": temperature, **known}
    checkpoint = run.output / CHECKPOINT
    save_classifier_checkpoint(
        checkpoint,
        ClassifierCheckpoint(with_temperature(result, temperature), data.classes, recorded),
    )
    return checkpoint


class ClassifierTraining:
    """A classifier that learns, see `training.loop.Training`."""

    def __init__(
        self,
        network: Classifier,
        images: Tensor,
        labels: Tensor,
        settings: ClassifierSettings,
        teacher: Teacher | None = None,
        made_from: dict[str, Any] | None = None,
    ) -> None:
        """Prepares the optimizer.

        Args:
            network: What to train.
            images: (n, 3, S, S) uint8, RGB.
            labels: (n,) int64.
            settings: How to train.
            teacher: Of the same images.
            made_from: See `training.loop.Training`.
        """
        self.steps = settings.steps
        self.made_from = made_from or {}
        self._network = network.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        self._images = images
        self._labels = labels
        self._settings = settings
        self._teacher = teacher
        components = settings.components if teacher else 1
        self._statistics_head = nn.Linear(network.config.features, components)
        self._average = moving_average(network, settings.averaging)
        trained = [*network.parameters(), *self._statistics_head.parameters()]
        groups: list[dict[str, Any]] = [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": settings.weight_decay},
            {"params": [p for p in trained if p.ndim == 1], "weight_decay": 0.0},
        ]
        self._optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate)
        self._trained = trained
        self._schedule = torch.optim.lr_scheduler.LambdaLR(
            self._optimizer,
            lambda step: trapezoid(step, settings.steps, settings.decay, settings.warm_up),
        )
        counts = torch.bincount(labels, minlength=network.config.classes)
        weights = counts[labels].double().pow(-settings.balance)
        self._frequencies = (weights / weights.sum()).numpy()
        self.parts: dict[str, Stateful] = {
            "network": network,
            "statistics_head": self._statistics_head,
            "average": self._average,
            "optimizer": self._optimizer,
            "schedule": self._schedule,
        }
        if teacher:
            self.parts["teacher"] = teacher

    @property
    def result(self) -> Classifier:
        """The moving average of the network."""
        assert isinstance(self._average.module, Classifier)
        return self._average.module

    def start(self, step: int) -> None:
        """Fits the teacher when a training begins; a resumed one has it in its state."""
        if self._teacher and step == 0:
            self._teacher.fit(self._labels)

    def samples(self) -> None:
        """None: there are only the curves."""

    def update(self, step: int) -> Update:
        """Learns from the next crops.

        The terms are the cross-entropy of the labels alone over the images that are not mixed,
        their error, and the error in the statistics.
        """
        settings = self._settings
        random = np.random.default_rng((settings.seed, step))

        # Crops
        count = settings.batch
        drawn = random.choice(len(self._labels), count, replace=False, p=self._frequencies)
        indices = torch.from_numpy(drawn)
        labels = self._labels[indices]
        windows = random_windows(random, count, settings.smallest_crop)
        mirrored = torch.from_numpy(random.random(count) < settings.flip)
        image = self._images[indices].float() / 255  # (B, 3, S, S)
        image = crop(image, windows, mirrored, settings.side_at(step))  # (B, 3, side, side)
        image = jitter_colors(image, random, settings.color_jitter)

        # Targets
        classes = self._network.config.classes
        target = F.one_hot(labels, classes).float()  # (B, K)
        target = target * (1 - settings.label_smoothing) + settings.label_smoothing / classes
        if self._teacher:
            probabilities, statistics = self._teacher(indices, windows)
            target = torch.lerp(target, probabilities, settings.teacher_share)
        half = count // 2
        if settings.mixup:
            mixed, mixed_target = mixup(image[half:], target[half:], random, settings.mixup)
            image = torch.cat([image[:half], mixed])
            target = torch.cat([target[:half], mixed_target])

        # Loss
        image = image.contiguous(memory_format=torch.channels_last)
        with fast_precision(image.device):
            features = self._network.features(image).float()  # (B, F)
        logits = self._network.head(features)  # (B, K)
        loss = F.cross_entropy(logits, target)
        error = torch.zeros(())
        if self._teacher:
            seen = self._statistics_head(features[:half])  # (B/2, D)
            error = F.mse_loss(seen, statistics[:half])
            loss = loss + settings.statistics_weight * error

        # Optimizer
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self._trained, settings.gradient_norm)
        self._optimizer.step()
        self._schedule.step()
        self._average.update_parameters(self._network)

        plain, said = logits[:half].detach(), labels[:half]
        terms = {
            "cross_entropy": F.cross_entropy(plain, said),
            "error": (plain.argmax(dim=1) != said).float().mean(),
            **({"statistics": error.detach()} if self._teacher else {}),
        }
        return Update(terms, {"loss": loss.detach(), "gradient": norm.detach()})
