"""Training of the style network against the perceptual loss (Johnson et al. 2016, section 3).

    photograph p, style s  →  o = network(p, s)  →  VGG-19
    loss = a·content(o, p) + b·style(o, painting[s]) + c·variation(o)

Everything random is a function of the seed and the step, so a training that was killed goes on
from its last saved state as if nothing had happened.
"""

import json
import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader

from atelier_export.checkpoint import StyleCheckpoint, save_style_checkpoint
from atelier_export.losses import PerceptualLoss
from atelier_export.manifest import sha256
from atelier_export.pictures import (
    Picture,
    RandomCrops,
    find_pictures,
    resize_short_side,
    to_tensor,
)
from atelier_export.sheets import plot_losses
from atelier_export.style_names import check_style_names
from atelier_export.style_network import StyleNetwork, StyleNetworkConfig
from atelier_export.style_quality import measure_quality, sample_sheet
from atelier_export.training_state import TrainingState
from atelier_export.vgg import VGG19

_log = logging.getLogger(__name__)

CHECKPOINT = "style.safetensors"
FEWEST_STEPS = 20
"""Fewer leave the schedule no step to rise in."""
_STATE = "state.pt"
_TERMS = ("content", "style", "variation")
_SHEET_PHOTOGRAPHS = 4


@dataclass(frozen=True)
class StyleTraining:
    """The settings of a training; each has an effect on the weights.

    Attributes:
        steps: Updates of the weights.
        batch: Photographs an update, each with a style drawn at random.
        side: Side of the square crops in pixels.
        style_side: Shorter side of the paintings in pixels: the scale of the strokes.
        content_weight: Weight a of the content distance.
        style_weight: Weight b of the style distance.
        variation_weight: Weight c of the total variation.
        learning_rate: Peak of Adam's one-cycle schedule (Smith & Topin 2018), for convolutions.
        style_learning_rate: The same for the scales and shifts, which alone tell styles apart and
            each of which learns from a share of the photographs only.
        gradient_norm: Norm to which gradients are clipped.
        held_out: Every so manieth photograph, by name, is kept for the evaluation.
        channels: Channels of the network at full, half and quarter resolution.
        blocks: Residual blocks of the network.
        seed: Seed of weights, crops and styles.
    """

    steps: int = 4000
    batch: int = 2
    side: int = 256
    style_side: int = 384
    content_weight: float = 1.0
    style_weight: float = 10.0
    variation_weight: float = 0.2
    learning_rate: float = 1e-3
    style_learning_rate: float = 5e-3
    gradient_norm: float = 1.0
    held_out: int = 20
    channels: tuple[int, int, int] = (32, 64, 128)
    blocks: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuses a training too short for its schedule; raises ValueError."""
        if self.steps < FEWEST_STEPS:
            raise ValueError(f"{self.steps} steps are too few: the schedule needs {FEWEST_STEPS}")


@dataclass(frozen=True)
class Reporting:
    """How often a training reports, in steps; without effect on the weights."""

    log_every: int = 10
    save_every: int = 100
    sample_every: int = 500


def split(photographs: list[Picture], held_out: int) -> tuple[list[Picture], list[Picture]]:
    """Photographs to train on, and every `held_out`th to evaluate on.

    Raises:
        ValueError: Too few photographs for both.
    """
    if held_out < 2 or len(photographs) < held_out:
        raise ValueError(
            f"{len(photographs)} photographs cannot be split with every {held_out}th held out; "
            "give more photographs or a smaller number from 2 up"
        )
    kept = photographs[held_out - 1 :: held_out]
    return [photograph for photograph in photographs if photograph not in kept], kept


def train_style(
    photographs: Path,
    paintings: list[Path],
    vgg: Path,
    output: Path,
    settings: StyleTraining,
    device: str = "cpu",
    workers: int = 0,
    reporting: Reporting | None = None,
) -> Path:
    """Trains a network on paintings, or goes on with a training that was interrupted.

    Args:
        photographs: Folder or uncompressed tar archive of photographs.
        paintings: One picture a style; the file's name without suffix names the style.
        vgg: Weights of the loss network, see `VGG19.load`.
        output: Folder for the state, the curves, the samples, and in the end the checkpoint.
        settings: What to train.
        device: A torch device; convolutions run in bfloat16 there.
        workers: Processes that decode photographs; 0 decodes between the steps.
        reporting: How often to report.

    Returns:
        The checkpoint's path.

    Raises:
        FileNotFoundError: An input does not exist.
        ValueError: An input cannot be used, or `output` holds a training with other settings.
    """
    reporting = reporting or Reporting()
    styles = tuple(painting.stem for painting in paintings)
    check_style_names(styles)
    pictures = find_pictures(photographs)
    training, held_out = split(pictures, settings.held_out)
    perceptual_loss = PerceptualLoss(
        VGG19.load(vgg).to(device, memory_format=torch.channels_last),  # type: ignore[call-overload]
        [
            to_tensor(resize_short_side(Image.open(path).convert("RGB"), settings.style_side))
            for path in paintings
        ],
    )

    torch.manual_seed(settings.seed)
    config = StyleNetworkConfig(len(styles), settings.channels, settings.blocks)
    network = StyleNetwork(config).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    of_styles, shared = network.style_parameters(), network.shared_parameters()
    optimizer = torch.optim.Adam([{"params": shared}, {"params": of_styles}])
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        [settings.learning_rate, settings.style_learning_rate],
        total_steps=settings.steps,
        pct_start=0.1,
    )
    data = {
        "styles": styles,
        "paintings": [sha256(path.read_bytes()) for path in paintings],
        "photographs": sha256(repr([(each.name, each.size) for each in pictures]).encode()),
        "vgg": sha256(vgg.read_bytes()),
    }
    state = TrainingState(network, optimizer, schedule, {**data, **asdict(settings)})
    output.mkdir(parents=True, exist_ok=True)
    state.load(output / _STATE)

    crops = RandomCrops(training, settings.side, settings.steps * settings.batch, settings.seed)
    remaining = range(state.step * settings.batch, settings.steps * settings.batch)
    loader = DataLoader(crops, settings.batch, sampler=remaining, num_workers=workers)
    progress = _Progress(state, settings.steps)
    size = sum(parameter.numel() for parameter in network.parameters())
    _log.info("%d parameters, %s; from step %d on %s", size, ", ".join(styles), state.step, device)
    for batch in loader:
        photograph = batch.to(device, memory_format=torch.channels_last)
        random = np.random.default_rng((settings.seed, state.step))
        chosen = torch.from_numpy(random.integers(len(styles), size=len(batch))).to(device)
        with torch.autocast(photograph.device.type, torch.bfloat16):
            painted = network(photograph, torch.eye(len(styles), device=device)[chosen])
            distances = perceptual_loss(painted, photograph, chosen)
        loss = (
            settings.content_weight * distances.content
            + settings.style_weight * distances.style
            + settings.variation_weight * distances.variation
        ).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), settings.gradient_norm)
        optimizer.step()
        schedule.step()

        state.step += 1
        progress.add(distances.content, distances.style, distances.variation)
        last = state.step == settings.steps
        if last or state.step % reporting.log_every == 0:
            progress.report()
        if last or state.step % reporting.save_every == 0:
            state.save(output / _STATE)
            plot_losses(state.history, output / "loss.png")
        if last or state.step % reporting.sample_every == 0:
            sheet = sample_sheet(network, held_out[:_SHEET_PHOTOGRAPHS], styles, settings.side)
            sheet.save(output / f"samples-{state.step:06}.jpg", quality=90)

    quality = measure_quality(network, perceptual_loss, held_out, styles, settings.side)
    (output / "quality.json").write_text(json.dumps(quality, indent=2) + "\n")
    save_style_checkpoint(output / CHECKPOINT, StyleCheckpoint(network, styles, asdict(settings)))
    return output / CHECKPOINT


class _Progress:
    """Means of the terms since the last report, the speed, and the time that remains."""

    def __init__(self, state: TrainingState, steps: int) -> None:
        self._state = state
        self._steps = steps
        self._first = state.step
        self._started = time.monotonic()
        self._terms: list[Tensor] = []

    def add(self, *terms: Tensor) -> None:
        # Kept as tensors: reading a number would make a GPU wait for every step.
        self._terms.append(torch.stack([term.detach().mean() for term in terms]))

    def report(self) -> None:
        means = torch.stack(self._terms).mean(dim=0).tolist()
        self._terms.clear()
        step = self._state.step
        self._state.history.append({"step": step, **dict(zip(_TERMS, means, strict=True))})
        pace = (time.monotonic() - self._started) / (step - self._first)
        _log.info(
            "step %d/%d  content %.3f  style %.4f  variation %.3f  %.2f s/step, %.0f min left",
            step, self._steps, *means, pace, pace * (self._steps - step) / 60,
        )  # fmt: skip
