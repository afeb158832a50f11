"""The adversarial training of a generator, one update of both networks at a time."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from atelier_export.data.images import to_images
from atelier_export.generator.augmentation import augment
from atelier_export.generator.losses import discriminator_loss, generator_loss, r1_penalty
from atelier_export.generator.maps import Maps
from atelier_export.generator.network import Discriminator, GANConfig, Generator
from atelier_export.generator.painter import (
    LatentDecoder,
    Painter,
    PixelDecoder,
    draw_latents,
    paint,
)
from atelier_export.generator.settings import GeneratorSettings
from atelier_export.reports.contact_sheet import Column, contact_sheet
from atelier_export.training.device import fast_precision
from atelier_export.training.loop import Update
from atelier_export.training.moving_average import moving_average
from atelier_export.training.schedule import trapezoid
from atelier_export.training.state import Stateful

SAMPLES = 6
"""Images of each class on a sample sheet."""
SAMPLE_SIDE = 64
"""Least side in pixels of an image of a sample sheet."""
BETAS = (0.0, 0.99)
"""Adam's, as in Karras et al. 2018, arXiv:1710.10196: without momentum the game is stabler."""


@dataclass(frozen=True)
class Adversary:
    """What a generator learns against.

    Attributes:
        discriminator: What it sees, and labels (B,), to logits (B,) or (B, patches). Its parameters
            without a gradient stay as they are.
        view: The generator's maps (B, C, S, S) to what the discriminator sees of them.
        discriminator_loss: Logits of real and of generated maps to its loss.
        generator_loss: Logits of generated maps to the generator's loss.
    """

    discriminator: nn.Module
    view: Callable[[Tensor], Tensor] = lambda maps: maps
    discriminator_loss: Callable[[Tensor, Tensor], Tensor] = discriminator_loss
    generator_loss: Callable[[Tensor], Tensor] = generator_loss


class GANTraining:
    """A generator and a discriminator that learn, see `training.loop.Training`."""

    def __init__(
        self,
        config: GANConfig,
        decoder: LatentDecoder | PixelDecoder,
        maps: Maps,
        labels: Tensor,
        classes: Sequence[str],
        settings: GeneratorSettings,
        device: torch.device,
        made_from: dict[str, Any] | None = None,
        adversary: Adversary | None = None,
    ) -> None:
        """Makes both networks from the seed, and their optimizers.

        Args:
            config: Their shape.
            decoder: Makes images of maps.
            maps: n real ones, or what the adversary sees of them.
            labels: (n,) int64, their classes.
            classes: Names of the K classes, for the sample sheets.
            settings: How to train.
            device: Where.
            made_from: See `training.loop.Training`.
            adversary: By default a discriminator of maps.

        Raises:
            ValueError: There are less maps than in a batch.
        """
        if len(maps) < settings.batch:
            raise ValueError(f"{len(maps)} images to learn from; --batch must not be above that")
        self.steps = settings.steps
        self.made_from = {**asdict(settings), "network": asdict(config), **(made_from or {})}
        self._config, self._settings, self._device = config, settings, device
        self._maps, self._labels, self._classes = maps, labels, classes
        torch.manual_seed(settings.seed)
        self._generator = Generator(config).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._adversary = adversary or Adversary(Discriminator(config))
        self._discriminator = self._adversary.discriminator.to(
            device, memory_format=torch.channels_last
        )  # type: ignore[call-overload]
        self._learning = [each for each in self._discriminator.parameters() if each.requires_grad]
        self._decoder = decoder.to(device)
        self._average = moving_average(self._generator, settings.averaging)
        counts = torch.bincount(labels, minlength=config.classes)
        weights = counts[labels].double().pow(-settings.balance)
        self._frequencies = (weights / weights.sum()).numpy()
        self.parts: dict[str, Stateful] = {
            "generator": self._generator,
            "discriminator": self._discriminator,
            "average": self._average,
        }
        self._optimizers = []
        for name, parameters in (
            ("generator", list(self._generator.parameters())), ("discriminator", self._learning)
        ):  # fmt: skip
            optimizer = torch.optim.Adam(parameters, settings.learning_rate, BETAS)
            schedule = torch.optim.lr_scheduler.LambdaLR(
                optimizer,
                lambda step: trapezoid(step, settings.steps, settings.decay, settings.warm_up),
            )
            self._optimizers.append((optimizer, schedule))
            self.parts[f"{name}_optimizer"] = optimizer
            self.parts[f"{name}_schedule"] = schedule

    @property
    def result(self) -> Painter:
        """The moving average of the generator, with the decoder."""
        assert isinstance(self._average.module, Generator)
        return Painter(self._average.module, self._decoder)

    def start(self, step: int) -> None:
        """There is nothing to prepare."""

    def update(self, step: int) -> Update:
        """Updates the discriminator once, then the generator once.

        The terms are both losses, the gradient penalty where it is measured, and the shares of real
        and of generated maps that the discriminator tells rightly.
        """
        settings, generator, discriminator = self._settings, self._generator, self._discriminator
        random = np.random.default_rng((settings.seed, step))

        # Batch
        count = settings.batch
        places = torch.from_numpy(
            random.choice(len(self._maps), count, replace=False, p=self._frequencies)
        )
        label = self._labels[places].to(self._device)  # (B,)
        real = self._maps.draw(places, random).to(self._device)  # (B, C, S, S)
        latent = torch.from_numpy(draw_latents(random, count, self._config.latent))  # (B, Z)

        # Discriminator
        with fast_precision(self._device):
            fake = self._adversary.view(generator(latent.to(self._device), label))  # (B, C, S, S)
            real, seen = self._augment(real, random), self._augment(fake.detach(), random)
            real_logit, fake_logit = discriminator(real, label), discriminator(seen, label)
        loss = self._adversary.discriminator_loss(real_logit, fake_logit)
        terms = {
            "discriminator": loss.detach(),
            "r1": torch.tensor(torch.nan),
            "real_accuracy": (real_logit > 0).float().mean(),
            "fake_accuracy": (fake_logit < 0).float().mean(),
        }
        if settings.r1_weight and step % settings.r1_every == 0:
            # In float32: it is a gradient that a gradient is taken of.
            penalty = r1_penalty(discriminator, real, label)
            loss = loss + settings.r1_weight * settings.r1_every * penalty
            terms["r1"] = penalty.detach()
        _step(loss, *self._optimizers[1])

        # Generator
        self._let_learn(False)
        with fast_precision(self._device):
            logit = discriminator(self._augment(fake, random), label)
        adversarial = self._adversary.generator_loss(logit)
        _step(adversarial, *self._optimizers[0])
        self._let_learn(True)
        terms["generator"] = adversarial.detach()

        # Average
        self._average.update_parameters(generator)
        checked = {"discriminator's loss": loss.detach(), "generator's loss": adversarial.detach()}
        return Update(terms, checked)

    def _let_learn(self, learns: bool) -> None:
        for each in self._learning:
            each.requires_grad_(learns)

    def _augment(self, maps: Tensor, random: np.random.Generator) -> Tensor:
        return augment(maps, random, self._settings.translation, self._settings.cutout)

    def samples(self) -> Image.Image:
        """Images of each class, a column a class, from the same latents in each column."""
        random = np.random.default_rng(self._settings.seed)
        latents = torch.from_numpy(draw_latents(random, SAMPLES, self._config.latent))
        return sample_sheet(self.result, latents, self._classes)


def sample_sheet(painter: Painter, latents: Tensor, classes: Sequence[str]) -> Image.Image:
    """Images of latents (n, Z) in columns, one for each class."""
    columns = []
    for number, name in enumerate(classes):
        images = paint(painter, latents, torch.full((len(latents),), number))
        columns.append(Column(name, to_images(images, SAMPLE_SIDE)))
    return contact_sheet(columns)


def _step(
    loss: Tensor,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
) -> None:
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    schedule.step()
