"""Training of the style network against the perceptual loss (Johnson et al. 2016, section 3).

    image p, style s, strength t  →  o = network(p, t·s)  →  VGG-19
    loss = a·content(o, p) + b·t²·style(o, painting[s]) + c·variation(o)
           + d·stability(network, p, t·s)

Most strengths are 1. The others teach the network to paint between the photograph and the style,
and a little beyond, as Babaeizadeh and Ghiasi 2018 do, whose network takes the weights of the loss
as an input ("Adjustable Real-time Style Transfer", arXiv:1811.08560).
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader

from atelier_export.data.crops import RandomCrops
from atelier_export.data.images import find_paintings, inner
from atelier_export.data.readable import readable_images
from atelier_export.data.splits import split
from atelier_export.losses.perceptual import PerceptualLoss, load_perceptual_loss
from atelier_export.publishing.manifest import sha256
from atelier_export.settings import RunSettings
from atelier_export.style.architectures import style_network_config
from atelier_export.style.checkpoint import (
    StyleCheckpoint,
    load_style_checkpoint,
    save_style_checkpoint,
)
from atelier_export.style.content_cache import ContentCache
from atelier_export.style.names import check_style_names
from atelier_export.style.network import StyleNetwork
from atelier_export.style.sample_sheet import sample_sheet
from atelier_export.style.settings import (
    AddedStyleData,
    AddedStyleSettings,
    NewStyleSettings,
    StyleData,
    StyleSettings,
)
from atelier_export.style.temporal_stability import Move, stability_distance, with_noise
from atelier_export.training.device import fast_precision, usable_device
from atelier_export.training.loop import Update, run_training
from atelier_export.training.schedule import trapezoid
from atelier_export.training.state import Stateful

_log = logging.getLogger(__name__)

CHECKPOINT = "style.safetensors"
MAX_STRENGTH = 1.5
"""The largest strength that a training paints at."""
_SHEET_IMAGES = 4


def train(data: StyleData, settings: NewStyleSettings, run: RunSettings) -> Path:
    """Train one style network on several paintings.

    Writes the checkpoint style.safetensors, loss.png and sample sheets to the output folder. After
    a kill, the same command resumes from the last saved state.

    Args:
        data: What to learn from.
        settings: What to train.
        run: Where, and how often to report.

    Returns:
        The checkpoint's path.

    Raises:
        OSError: An input cannot be read, or the output cannot be written.
        ValueError: An input or the device cannot be used; or as of `run_training`.
    """
    paintings = find_paintings(data.paintings, data.styles)
    styles = tuple(paintings)
    check_style_names(styles)
    torch.manual_seed(settings.seed)
    network = StyleNetwork(style_network_config(settings.network, len(styles)))
    return _train(network, styles, list(paintings.values()), data, settings, run, asdict(settings))


def add_style(data: AddedStyleData, settings: AddedStyleSettings, run: RunSettings) -> Path:
    """Teach a trained style network one more PAINTING, and leave its other styles alone.

    Only a scale and a shift per channel are learnt: all other weights stay the same to the bit, and
    so do the network's paintings in the other styles (Dumoulin et al. 2017, section 3.2). The
    painting's file name becomes the style's name. After a kill, the same command resumes from the
    last saved state.

    Args:
        data: What to learn from, and the network.
        settings: How to train.
        run: Where, and how often to report.

    Returns:
        The new checkpoint's path.

    Raises:
        OSError: As of `train`.
        ValueError: As of `train`; or the network already has a style of this name, or its
            checkpoint would be overwritten.
    """
    before = load_style_checkpoint(data.checkpoint)
    result = run.output / CHECKPOINT
    if result.exists() and result.samefile(data.checkpoint):
        raise ValueError(f"{data.checkpoint} would be overwritten; choose another output folder")
    styles = (*before.styles, data.painting.stem)
    check_style_names(styles)

    # Train the last row of each scale and shift alone
    network = before.network.with_another_style().train()
    network.requires_grad_(False)
    for parameter in network.style_parameters():
        parameter.requires_grad_()
        parameter.register_hook(_last_row)  # type: ignore[no-untyped-call]
    recorded = asdict(settings)
    recorded["added_to"] = {"sha256": sha256(data.checkpoint.read_bytes()), **before.training}
    return _train(network, styles, [data.painting], data, settings, run, recorded)


def _last_row(gradient: Tensor) -> Tensor:
    # Adam does not change values whose gradient was always zero, not even by a bit.
    masked = torch.zeros_like(gradient)
    masked[-1] = gradient[-1]
    return masked


def _train(
    network: StyleNetwork,
    styles: tuple[str, ...],
    paintings: Sequence[Path],
    data: StyleData | AddedStyleData,
    settings: StyleSettings,
    run: RunSettings,
    recorded: dict[str, Any],
) -> Path:
    """Trains what requires a gradient in `network`, on the paintings of the last `styles`."""
    # Read
    device = usable_device(run.device)
    found = readable_images(data.images, strict=data.strict)
    training_images, held_out = split(found, settings.held_out)
    perceptual_loss = load_perceptual_loss(paintings, data.vgg, settings.style_side, device)
    crop_side = settings.side + 2 * settings.margin + settings.max_move

    # Train
    training = StyleTraining(
        network.to(device).train(),
        styles,
        perceptual_loss,
        RandomCrops(training_images, crop_side, settings.crops, settings.seed),
        [each.read() for each in held_out[:_SHEET_IMAGES]],
        settings,
        run.workers,
        {
            **recorded,
            "styles": styles,
            "paintings": [sha256(path.read_bytes()) for path in paintings],
            "images": sha256(repr([(each.name, each.size) for each in found]).encode()),
            "vgg": sha256(data.vgg.read_bytes()),
        },
    )
    size = sum(parameter.numel() for parameter in network.parameters())
    _log.info("%d parameters, %s, on %s", size, ", ".join(styles), device)
    run_training(training, run)

    # Save
    checkpoint = run.output / CHECKPOINT
    save_style_checkpoint(checkpoint, StyleCheckpoint(network, styles, recorded))
    return checkpoint


class StyleTraining:
    """A style network that learns paintings, see `training.loop.Training`."""

    def __init__(
        self,
        network: StyleNetwork,
        styles: tuple[str, ...],
        perceptual_loss: PerceptualLoss,
        crops: RandomCrops,
        sheet_images: Sequence[Image.Image],
        settings: StyleSettings,
        workers: int,
        made_from: dict[str, Any],
    ) -> None:
        """Prepares the optimizer.

        Args:
            network: On the device of the loss; what requires a gradient in it is trained.
            styles: Names of all its styles; the last ones are those of the paintings.
            perceptual_loss: Of the paintings.
            crops: The images to repaint; their side is `side`, two margins and the largest move.
            sheet_images: The images of the sample sheets.
            settings: How to train.
            workers: Processes that decode images.
            made_from: See `training.loop.Training`.
        """
        self.steps = settings.steps
        self.made_from = made_from
        self._network = network
        self._styles = styles
        self._perceptual_loss = perceptual_loss
        self._content = ContentCache(perceptual_loss)
        self._crops = crops
        self._sheet_images = sheet_images
        self._settings = settings
        self._workers = workers
        self._batches: Iterator[tuple[list[int], Tensor]] = iter(())
        groups = [
            {"params": parameters, "lr": rate}
            for parameters, rate in (
                (network.shared_parameters(), settings.learning_rate),
                (network.style_parameters(), settings.style_learning_rate),
            )
            if parameters[0].requires_grad
        ]
        self._optimizer = torch.optim.Adam(groups)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(
            self._optimizer, lambda step: trapezoid(step, settings.steps)
        )
        self.parts: Mapping[str, Stateful] = {
            "network": network, "optimizer": self._optimizer, "schedule": self._schedule,
        }  # fmt: skip

    def start(self, step: int) -> None:
        """Prepares the crops from the batch of `step` on."""
        settings = self._settings
        draws = range(step * settings.batch, settings.steps * settings.batch)
        numbers = [draw % settings.crops for draw in draws]
        loader = DataLoader(self._crops, settings.batch, sampler=numbers, num_workers=self._workers)
        batches = (
            numbers[at : at + settings.batch] for at in range(0, len(numbers), settings.batch)
        )
        self._batches = zip(batches, loader, strict=True)

    def update(self, step: int) -> Update:
        """Paints the next crops and updates the weights."""
        numbers, crops = next(self._batches)
        device = self._perceptual_loss.vgg.mean.device
        loss, terms = self.loss(step, numbers, crops.to(device))
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self._network.parameters(), self._settings.gradient_norm)
        self._optimizer.step()
        self._schedule.step()
        return Update(terms, {"loss": loss, "gradient": norm})

    def loss(
        self, step: int, numbers: Sequence[int], crops: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a step, and the terms that it is made of.

        Args:
            step: Seeds everything random.
            numbers: The crops' numbers.
            crops: (B, 3, H, W).

        Returns:
            The loss, and each unweighted term, (B,): nan for images that are not painted at a
            strength of 1. The stability is that of the first image alone.
        """
        settings = self._settings
        random = np.random.default_rng((settings.seed, step))

        # Draw a style and a strength for each image.
        styles, strength = self._draw(random, len(crops))
        taught = len(self._perceptual_loss.targets[0])
        one_hot = torch.eye(len(self._styles), device=crops.device)
        style = one_hot[styles + len(self._styles) - taught] * strength[:, None]  # (B, S)

        # Cut two views of each crop.
        side, margin = settings.side + 2 * settings.margin, settings.margin
        down, right = random.integers(settings.max_move, size=2, endpoint=True)
        move = Move(int(down), int(right))
        first, moved = move.views(crops, side)

        with fast_precision(crops.device):
            # Paint the first view, and measure its distances.
            content = self._content(numbers, inner(first, margin))
            painted = inner(self._network(first, style), margin)
            distances = self._perceptual_loss(painted, content, styles)

            # Paint the moved view of one image, to save time, and compare.
            stability = torch.zeros_like(distances.content)
            if settings.stability_weight:
                noisy = with_noise(moved[:1], torch.Generator().manual_seed(step))
                again = inner(self._network(noisy, style[:1]), margin)
                stability = stability_distance(painted[:1], again, move).expand(len(crops))

        # Weight the terms; those of other strengths are not reported.
        loss = (
            settings.content_weight * distances.content
            + settings.style_weight * strength.square() * distances.style
            + settings.variation_weight * distances.variation
            + settings.stability_weight * stability
        ).mean()
        jittered = strength != 1
        terms = {
            "content": distances.content.detach().masked_fill(jittered, torch.nan),
            "style": distances.style.detach().masked_fill(jittered, torch.nan),
            "variation": distances.variation.detach().masked_fill(jittered, torch.nan),
            "stability": stability.detach().masked_fill(jittered, torch.nan)[:1],
        }
        return loss, terms

    def _draw(self, random: np.random.Generator, count: int) -> tuple[Tensor, Tensor]:
        """Indices of the taught styles, (count,) int64, and strengths, (count,) float32."""
        device = self._perceptual_loss.vgg.mean.device
        taught = len(self._perceptual_loss.targets[0])
        styles = torch.from_numpy(random.integers(taught, size=count)).to(device)
        jittered = random.random(count) < self._settings.strength_jitter
        strengths = np.where(jittered, random.uniform(0, MAX_STRENGTH, count), 1)
        return styles, torch.from_numpy(strengths).float().to(device)

    def samples(self) -> Image.Image:
        """Held-out images beside their paintings in every style."""
        return sample_sheet(self._network, self._sheet_images, self._styles, self._settings.side)
