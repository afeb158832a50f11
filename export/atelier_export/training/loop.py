"""The loop of every training: lock, resume, update, finite check, log, curves, samples."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from PIL import Image
from torch import Tensor

from atelier_export.files.folder_lock import folder_lock
from atelier_export.reports.loss_curves import plot_losses
from atelier_export.settings import RunSettings
from atelier_export.training.state import Stateful, TrainingState

_log = logging.getLogger(__name__)

STATE = "state.pt"
CURVES = "loss.png"


@dataclass(frozen=True)
class Update:
    """What an update reports.

    Attributes:
        terms: Values for the log and the curves by name, of any shape; nan where a value was not
            measured in this step.
        checked: Values by name that must be finite, such as the loss and its gradient's norm: nan
            never leaves the weights again.
    """

    terms: Mapping[str, Tensor]
    checked: Mapping[str, Tensor]


class Training(Protocol):
    """What a family trains.

    Everything random in it is a function of the seed and the step, so a training that resumes from
    its last saved state gives the same weights as an uninterrupted one.

    Attributes:
        steps: Updates of the weights in all.
        parts: Networks, optimizers, schedules and averages by name: what an update changes.
        made_from: All that has an effect on the weights, as plain values. A saved state is only
            resumed if these are the same, `steps` excepted.
    """

    steps: int
    made_from: dict[str, Any]

    @property
    def parts(self) -> Mapping[str, Stateful]:
        """See the attributes."""

    def start(self, step: int) -> None:
        """Called once, before the first update; `step` is above 0 when a training resumes."""

    def update(self, step: int) -> Update:
        """Updates the weights once."""

    def samples(self) -> Image.Image | None:
        """A sample sheet of the networks as they are, or None."""


def run_training(training: Training, run: RunSettings) -> None:
    """Trains to the last step, from the saved state if there is one.

    The folder of the run then holds the state, the curves and the sample sheets.

    Args:
        training: What to train.
        run: Where, and how often to report.

    Raises:
        OSError: The folder cannot be written.
        ValueError: It holds a training with other settings, with more steps, or one that is
            running; or a checked value is infinite or nan.
    """
    folder, steps = run.output, training.steps
    folder.mkdir(parents=True, exist_ok=True)
    refusal = ValueError(
        f"another training is running in {folder}; wait for it, or choose another output folder"
    )
    with folder_lock(folder, refusal):
        # Resume
        state = TrainingState(training.parts, training.made_from)
        state.load(folder / STATE)
        if state.step > steps:
            raise ValueError(
                f"{folder} holds {state.step} steps already; give --steps {state.step} or more"
            )
        if state.step == steps:
            return
        training.start(state.step)
        progress = _Progress(state, steps)
        while state.step < steps:
            # Update
            update = training.update(state.step)
            state.step += 1
            progress.add(update.terms)

            # Check, log, save
            last = state.step == steps
            reports = last or state.step % run.log_every == 0
            saves = last or state.step % run.save_every == 0
            if reports or saves:
                _check_finite(update.checked, state.step)
            if reports:
                progress.report()
            if saves:
                state.save(folder / STATE)
            if saves and state.history:
                plot_losses(state.history, folder / CURVES)
            if last or state.step % run.sample_every == 0:
                _save_samples(training, folder, state.step)


def _save_samples(training: Training, folder: Path, step: int) -> None:
    sheet = training.samples()
    if sheet is not None:
        sheet.save(folder / f"samples-{step:06}.jpg", quality=90)


def _check_finite(checked: Mapping[str, Tensor], step: int) -> None:
    if not all(value.isfinite().all() for value in checked.values()):
        values = ", ".join(f"the {name} is {value:.3g}" for name, value in checked.items())
        raise ValueError(f"{values} at step {step}; choose smaller weights or learning rates")


class _Progress:
    """Means of the terms since the last report, the speed, and the time that remains."""

    def __init__(self, state: TrainingState, steps: int) -> None:
        self._state = state
        self._steps = steps
        self._first_step = state.step
        self._started = time.monotonic()
        self._terms: dict[str, list[Tensor]] = {}

    def add(self, terms: Mapping[str, Tensor]) -> None:
        # Kept as tensors: reading a number would make a GPU wait for every step.
        for name, values in terms.items():
            self._terms.setdefault(name, []).append(values.detach().flatten())

    def report(self) -> None:
        means = {name: torch.cat(each).nanmean().item() for name, each in self._terms.items()}
        self._terms.clear()
        step = self._state.step
        self._state.history.append({"step": step, **means})
        seconds = (time.monotonic() - self._started) / (step - self._first_step)
        _log.info(
            "step %d/%d  %s  %.2f s/step, %.0f min left",
            step, self._steps, "  ".join(f"{name} {mean:.4g}" for name, mean in means.items()),
            seconds, seconds * (self._steps - step) / 60,
        )  # fmt: skip
