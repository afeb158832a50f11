"""Training of the style network against the perceptual loss (Johnson et al. 2016, section 3).

    photograph p, style s, strength t  →  o = network(p, t·s)  →  VGG-19
    loss = a·content(o, p) + b·t²·style(o, painting[s]) + c·variation(o) + d·calm(network, p, t·s)

Most strengths are 1. The others teach the network what lies between the photograph and the style,
and a little beyond; that the weights of the loss are an input of the network is the idea of
Babaeizadeh and Ghiasi 2018 ("Adjustable Real-time Style Transfer", arXiv:1811.08560).

Everything random is a function of the seed and the step, so a training that was killed goes on
from its last saved state as if nothing had happened.
"""

import logging
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from atelier_export.device import usable_device
from atelier_export.exclusive import exclusive
from atelier_export.losses import PerceptualLoss, perceptual_loss_of
from atelier_export.manifest import sha256
from atelier_export.pictures import Picture, RandomCrops, find_pictures, inner
from atelier_export.sheets import plot_losses
from atelier_export.style.calm import Move, calm_distance, with_noise
from atelier_export.style.checkpoint import (
    StyleCheckpoint,
    load_style_checkpoint,
    save_style_checkpoint,
)
from atelier_export.style.contents import Contents
from atelier_export.style.names import check_style_names
from atelier_export.style.network import StyleNetwork
from atelier_export.style.networks import style_network_config
from atelier_export.style.quality import sample_sheet
from atelier_export.style.settings import StyleTraining, split
from atelier_export.training_state import TrainingState

_log = logging.getLogger(__name__)

CHECKPOINT = "style.safetensors"
STRONGEST = 1.5
_STATE = "state.pt"
_TERMS = ("content", "style", "variation", "calm")
_SHEET_PHOTOGRAPHS = 4


@dataclass(frozen=True)
class Inputs:
    """What a training reads.

    Attributes:
        photographs: Folder or uncompressed tar archive of photographs.
        paintings: One picture a style; the file's name without suffix names the style.
        vgg: Weights of the loss network, see `VGG19.load`.
    """

    photographs: Path
    paintings: list[Path]
    vgg: Path

    @property
    def styles(self) -> tuple[str, ...]:
        """The names of the paintings."""
        return tuple(painting.stem for painting in self.paintings)


@dataclass(frozen=True)
class Machine:
    """Where a training runs and how often it reports; without effect on the weights.

    Attributes:
        device: A torch device; convolutions run in bfloat16 there.
        workers: Processes that decode photographs; 0 decodes between the steps.
        log_every: Steps from one line of the log to the next.
        save_every: Steps from one saved state to the next.
        sample_every: Steps from one sample sheet to the next.
    """

    device: str = "cpu"
    workers: int = 0
    log_every: int = 10
    save_every: int = 100
    sample_every: int = 500


def train_style(
    inputs: Inputs, output: Path, settings: StyleTraining, machine: Machine | None = None
) -> Path:
    """Trains a network on paintings, or goes on with a training that was interrupted.

    Args:
        inputs: What to learn from.
        output: Folder for the state, the curves, the samples, and in the end the checkpoint.
        settings: What to train.
        machine: Where, and how often to report.

    Returns:
        The checkpoint's path.

    Raises:
        OSError: An input cannot be read, or the output not be written.
        ValueError: An input or the device cannot be used; `output` holds a training with other
            settings, with more steps, or one that is running; or the loss is infinite or nan.
    """
    styles = inputs.styles
    check_style_names(styles)
    torch.manual_seed(settings.seed)
    network = StyleNetwork(style_network_config(settings.network, len(styles)))
    return _train(network, styles, inputs, output, settings, machine or Machine(), asdict(settings))


def add_style(
    checkpoint: Path,
    inputs: Inputs,
    output: Path,
    settings: StyleTraining,
    machine: Machine | None = None,
) -> Path:
    """Teaches a trained network one more style, by a scale and a shift a channel alone.

    Everything that the network had learnt before stays as it was to the bit, and with it what it
    paints in the other styles (Dumoulin et al. 2017, section 3.2).

    Args:
        checkpoint: The trained network.
        inputs: What to learn from: one painting.
        output: Folder for the state, the curves, the samples, and in the end the checkpoint.
        settings: How to train; the network's shape is the checkpoint's.
        machine: Where, and how often to report.

    Returns:
        The new checkpoint's path.

    Raises:
        OSError: As of `train_style`.
        ValueError: Likewise; or the network has a style of this name already, or its checkpoint
            would be overwritten.
    """
    before = load_style_checkpoint(checkpoint)
    result = output / CHECKPOINT
    if result.exists() and result.samefile(checkpoint):
        raise ValueError(f"{checkpoint} would be overwritten; choose another output folder")
    styles = (*before.styles, *inputs.styles)
    check_style_names(styles)
    network = before.network.with_another_style().train()
    network.requires_grad_(False)
    for parameter in network.style_parameters():
        parameter.requires_grad_()
        parameter.register_hook(_last_row)  # type: ignore[no-untyped-call]
    recorded = asdict(settings)
    del recorded["network"]
    recorded["added_to"] = {"sha256": sha256(checkpoint.read_bytes()), **before.training}
    return _train(network, styles, inputs, output, settings, machine or Machine(), recorded)


def _last_row(gradient: Tensor) -> Tensor:
    # Adam leaves what has never had a gradient as it was, to the bit.
    masked = torch.zeros_like(gradient)
    masked[-1] = gradient[-1]
    return masked


def _train(
    network: StyleNetwork,
    styles: tuple[str, ...],
    inputs: Inputs,
    output: Path,
    settings: StyleTraining,
    machine: Machine,
    recorded: dict[str, Any],
) -> Path:
    """Trains what requires a gradient in `network`, on the paintings of the last `styles`."""
    device = usable_device(machine.device)
    pictures = find_pictures(inputs.photographs)
    training, held_out = split(pictures, settings.held_out)
    perceptual_loss = perceptual_loss_of(inputs.paintings, inputs.vgg, settings.style_side, device)
    network.to(device).train()
    groups = [
        (network.shared_parameters(), settings.learning_rate),
        (network.style_parameters(), settings.style_learning_rate),
    ]
    groups = [(group, rate) for group, rate in groups if group[0].requires_grad]
    optimizer = torch.optim.Adam([{"params": group, "lr": rate} for group, rate in groups])
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, settings.pace)
    made_from = {
        **recorded,
        "styles": styles,
        "paintings": [sha256(path.read_bytes()) for path in inputs.paintings],
        "photographs": sha256(repr([(each.name, each.size) for each in pictures]).encode()),
        "vgg": sha256(inputs.vgg.read_bytes()),
    }
    state = TrainingState(network, optimizer, schedule, made_from)
    output.mkdir(parents=True, exist_ok=True)
    refusal = ValueError(
        f"another training is running in {output}; wait for it, or choose another output folder"
    )
    with exclusive(output, refusal):
        state.load(output / _STATE)
        if state.step > settings.steps:
            raise ValueError(
                f"{output} holds {state.step} steps already; give --steps {state.step} or more"
            )
        objective = _Objective(network, perceptual_loss, len(styles), settings)
        progress = _Progress(state, settings.steps)
        size = sum(parameter.numel() for parameter in network.parameters())
        _log.info(
            "%d parameters, %s; from step %d on %s", size, ", ".join(styles), state.step, device
        )
        for places, crops in _batches(training, state.step, settings, machine.workers):
            loss, terms = objective(state.step, places, crops.to(device))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            norm = nn.utils.clip_grad_norm_(network.parameters(), settings.gradient_norm)
            optimizer.step()
            schedule.step()

            state.step += 1
            progress.add(terms)
            last = state.step == settings.steps
            reports = last or state.step % machine.log_every == 0
            saves = last or state.step % machine.save_every == 0
            if reports or saves:
                _check_finite(loss, norm, state.step)
            if reports:
                progress.report()
            if saves:
                state.save(output / _STATE)
                plot_losses(state.history, output / "loss.png")
            if last or state.step % machine.sample_every == 0:
                sheet = sample_sheet(network, held_out[:_SHEET_PHOTOGRAPHS], styles, settings.side)
                sheet.save(output / f"samples-{state.step:06}.jpg", quality=90)

        checkpoint = StyleCheckpoint(network, styles, recorded)
        save_style_checkpoint(output / CHECKPOINT, checkpoint)
    return output / CHECKPOINT


def _check_finite(loss: Tensor, norm: Tensor, step: int) -> None:
    """Raises ValueError if a step has spoilt the weights; they never recover."""
    if not (loss.isfinite() and norm.isfinite()):
        raise ValueError(
            f"the loss is {loss:.3g} and its gradient {norm:.3g} at step {step}; "
            "choose smaller weights or learning rates"
        )


def _batches(
    pictures: list[Picture], first: int, settings: StyleTraining, workers: int
) -> Iterator[tuple[list[int], Tensor]]:
    """The crops of each step from the step `first` on, with their numbers."""
    outer = settings.side + 2 * settings.margin + settings.farthest_move
    crops = RandomCrops(pictures, outer, settings.crops, settings.seed)
    draws = range(first * settings.batch, settings.steps * settings.batch)
    places = [draw % settings.crops for draw in draws]
    loader = DataLoader(crops, settings.batch, sampler=places, num_workers=workers)
    for step, batch in enumerate(loader):
        yield places[step * settings.batch : (step + 1) * settings.batch], batch


class _Objective:
    """The loss of a step, and the terms that it is made of."""

    def __init__(
        self,
        network: StyleNetwork,
        perceptual_loss: PerceptualLoss,
        styles: int,
        settings: StyleTraining,
    ) -> None:
        self._network = network
        self._perceptual_loss = perceptual_loss
        self._contents = Contents(perceptual_loss)
        self._styles = styles
        self._settings = settings

    def __call__(self, step: int, places: list[int], crops: Tensor) -> tuple[Tensor, Tensor]:
        """Paints crops (B, 3, H, W) and returns the loss and the terms, (B, 4).

        The terms are those of pictures painted at full strength, nan for the others; the calm is
        that of the first picture alone.
        """
        settings, device = self._settings, crops.device
        random = np.random.default_rng((settings.seed, step))
        taught = len(self._perceptual_loss.targets[0])
        chosen = torch.from_numpy(random.integers(taught, size=len(crops))).to(device)
        varied = random.random(len(crops)) < settings.varied
        strengths = np.where(varied, random.uniform(0, STRONGEST, len(crops)), 1)
        strength = torch.from_numpy(strengths).float().to(device)
        rows = torch.eye(self._styles, device=device)[chosen + self._styles - taught]
        style = rows * strength[:, None]

        side, margin = settings.side + 2 * settings.margin, settings.margin
        down, right = random.integers(settings.farthest_move, size=2, endpoint=True)
        move = Move(int(down), int(right))
        first, moved = move.views(crops, side)
        with torch.autocast(device.type, torch.bfloat16):
            content = self._contents(places, inner(first, margin))
            painted = inner(self._network(first, style), margin)
            distances = self._perceptual_loss(painted, content, chosen)
            calm = torch.zeros_like(distances.content)
            if settings.calm_weight:
                # Of each batch one picture, to save time.
                noisy = with_noise(moved[:1], torch.Generator().manual_seed(step))
                again = inner(self._network(noisy, style[:1]), margin)
                calm = calm_distance(painted[:1], again, move).expand(len(crops))
        loss = (
            settings.content_weight * distances.content
            + settings.style_weight * strength.square() * distances.style
            + settings.variation_weight * distances.variation
            + settings.calm_weight * calm
        ).mean()
        terms = torch.stack([distances.content, distances.style, distances.variation, calm], dim=1)
        terms = terms.detach().masked_fill(strength[:, None] != 1, torch.nan)
        terms[1:, 3] = torch.nan
        return loss, terms


class _Progress:
    """Means of the terms since the last report, the speed, and the time that remains."""

    def __init__(self, state: TrainingState, steps: int) -> None:
        self._state = state
        self._steps = steps
        self._first = state.step
        self._started = time.monotonic()
        self._terms: list[Tensor] = []

    def add(self, terms: Tensor) -> None:
        # Kept as tensors: reading a number would make a GPU wait for every step.
        self._terms.append(terms)

    def report(self) -> None:
        means = torch.cat(self._terms).nanmean(dim=0).tolist()
        self._terms.clear()
        step = self._state.step
        self._state.history.append({"step": step, **dict(zip(_TERMS, means, strict=True))})
        pace = (time.monotonic() - self._started) / (step - self._first)
        _log.info(
            "step %d/%d  content %.3f  style %.4f  variation %.3f  calm %.4f  %.2f s/step, "
            "%.0f min left",
            step, self._steps, *means, pace, pace * (self._steps - step) / 60,
        )  # fmt: skip
