"""The training of a variational autoencoder, one update at a time."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from atelier_export.data.images import to_images
from atelier_export.reports.contact_sheet import Column, contact_sheet
from atelier_export.training.device import fast_precision
from atelier_export.training.loop import Update
from atelier_export.training.moving_average import moving_average
from atelier_export.training.schedule import trapezoid
from atelier_export.training.state import Stateful
from atelier_export.vae.bounds import bits_per_dimension, kl_divergence, sample_posterior
from atelier_export.vae.network import VAE
from atelier_export.vae.perceptual import PerceptualDistance
from atelier_export.vae.settings import VAESettings

Prepare = Callable[[Tensor, np.random.Generator], tuple[Tensor, Tensor]]
"""From images (B, C, N, N) uint8 to what the encoder sees and what it is to rebuild, in 0..1."""

SAMPLES = 8
"""Images of a sample sheet."""
SAMPLE_SIDE = 128
"""Least side in pixels of an image of a sample sheet."""
SCALE_RATE = 10.0
"""Factor of the learning rate of the likelihood's scale, which falls by much in a training."""


class VAETraining:
    """A variational autoencoder that learns, see `training.loop.Training`."""

    def __init__(
        self,
        network: VAE,
        images: Tensor,
        shown: Tensor,
        prepare: Prepare,
        settings: VAESettings,
        perceptual: tuple[PerceptualDistance, float, int] | None = None,
        made_from: dict[str, Any] | None = None,
    ) -> None:
        """Prepares the optimizer.

        Args:
            network: What to train, on the device that is to be used.
            images: (n, C, N, N) uint8, those that are learnt from.
            shown: (m, C, N, N) uint8, others, for the sample sheets.
            prepare: Makes inputs and targets of them.
            settings: How to train.
            perceptual: The perceptual distance, its weight, and the number of images of each batch
                that it is measured on.
            made_from: See `training.loop.Training`.

        Raises:
            ValueError: There are less images than in a batch.
        """
        if len(images) < settings.batch:
            raise ValueError(f"{len(images)} images to learn from; --batch must not be above that")
        self.steps = settings.steps
        self.made_from = {**asdict(settings), **(made_from or {})}
        self._network = network.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        self._device = next(network.parameters()).device
        self._images = images
        self._shown = shown[:SAMPLES]
        self._prepare = prepare
        self._settings = settings
        self._perceptual = perceptual
        self._average = moving_average(network, settings.averaging)
        self._optimizer = torch.optim.AdamW(_groups(network, settings))
        self._schedule = torch.optim.lr_scheduler.LambdaLR(
            self._optimizer,
            lambda step: trapezoid(step, settings.steps, settings.decay, settings.warm_up),
        )
        self.parts: dict[str, Stateful] = {
            "network": network,
            "average": self._average,
            "optimizer": self._optimizer,
            "schedule": self._schedule,
        }

    @property
    def result(self) -> VAE:
        """The moving average of the network."""
        assert isinstance(self._average.module, VAE)
        return self._average.module

    def start(self, step: int) -> None:
        """There is nothing to prepare."""

    def update(self, step: int) -> Update:
        """Learns from a batch.

        The terms are those of the bound: reconstruction and KL divergence in nats an image, their
        sum in bits a dimension; and the perceptual distance, which is no part of it.
        """
        settings, network = self._settings, self._network
        random = np.random.default_rng((settings.seed, step))

        # Batch
        places = random.choice(len(self._images), settings.batch, replace=False)
        corrupted, image = (
            each.to(self._device, memory_format=torch.channels_last)
            for each in self._prepare(self._images[torch.from_numpy(places)], random)
        )  # (B, C, N, N) each
        noise = random.standard_normal((settings.batch, network.config.latent), np.float32)

        # Posterior and likelihood
        with fast_precision(self._device):
            mean, log_variance = network.encoder(corrupted)  # (B, L) each
            latent = sample_posterior(
                mean, log_variance, torch.from_numpy(noise).to(self._device)
            )  # (B, L)
            location = network.decoder(latent)  # (B, C, N, N)
        reconstruction = -network.likelihood(location, image).mean()
        kl = kl_divergence(mean, log_variance).mean()

        # Loss, in nats a dimension
        dimensions = network.config.dimensions
        loss = (reconstruction + settings.kl_weight_at(step) * kl) / dimensions
        terms = {
            "reconstruction": reconstruction.detach(),
            "kl": kl.detach(),
            "bits_per_dimension": bits_per_dimension((reconstruction + kl).detach(), dimensions),
        }
        if self._perceptual is not None:
            distance, weight, count = self._perceptual
            rebuilt = network.likelihood.image(location[-count:])  # (count, C, N, N)
            with fast_precision(self._device):
                perceptual = distance(rebuilt, image[-count:]).mean()
            loss = loss + weight * perceptual
            terms["perceptual"] = perceptual.detach()

        # Optimizer
        self._optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(network.parameters(), settings.gradient_norm)
        self._optimizer.step()
        self._schedule.step()
        self._average.update_parameters(network)
        return Update(terms, {"loss": loss.detach(), "gradient": norm.detach()})

    @torch.no_grad()
    def samples(self) -> Image.Image | None:
        """Images that were not learnt from, what the encoder sees of them, what is rebuilt."""
        if not len(self._shown):
            return None
        random = np.random.default_rng(self._settings.seed)
        corrupted, image = self._prepare(self._shown, random)
        rebuilt = self.result(corrupted.to(self._device)).cpu()
        columns = {"image": image, "input": corrupted, "rebuilt": rebuilt}
        return contact_sheet(
            [Column(name, to_images(each, SAMPLE_SIDE)) for name, each in columns.items()]
        )


def _groups(network: VAE, settings: VAESettings) -> list[dict[str, Any]]:
    """The parameters with their learning rates; only weights of convolutions decay."""
    networks = [*network.encoder.parameters(), *network.decoder.parameters()]
    rate = settings.learning_rate
    groups = [
        ([each for each in networks if each.ndim > 1], rate, settings.weight_decay),
        ([each for each in networks if each.ndim == 1], rate, 0.0),
        (list(network.likelihood.parameters()), SCALE_RATE * rate, 0.0),
    ]
    return [
        {"params": parameters, "lr": rate, "weight_decay": decay}
        for parameters, rate, decay in groups
        if parameters
    ]
