"""What a training needs to go on after a kill: weights, optimizer, schedule, step, curves."""

from pathlib import Path
from typing import Any

import torch
from torch import nn


class TrainingState:
    """The parts of a training that change with every step, in one file."""

    def __init__(
        self,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        schedule: torch.optim.lr_scheduler.LRScheduler,
        settings: dict[str, Any],
    ) -> None:
        """Starts at step 0.

        Args:
            network: Its weights are saved and restored.
            optimizer: Likewise.
            schedule: Likewise.
            settings: Everything that has an effect on the weights; must be the same to go on, but
                for `steps`, so that a training can be made longer.
        """
        self._parts: dict[str, Any] = {
            "network": network,
            "optimizer": optimizer,
            "schedule": schedule,
        }
        self._settings = settings
        self.step = 0
        self.history: list[dict[str, float]] = []

    def save(self, path: Path) -> None:
        """Writes atomically: a kill leaves the state before."""
        partial = path.with_suffix(".partial")
        parts = {name: part.state_dict() for name, part in self._parts.items()}
        progress = {"step": self.step, "history": self.history, "settings": self._settings}
        torch.save({**parts, **progress}, partial)
        partial.replace(path)

    def load(self, path: Path) -> None:
        """Goes on from `path` if it exists.

        Raises:
            ValueError: It was saved with other settings; the message names them.
        """
        if not path.exists():
            return
        saved = torch.load(path, map_location="cpu", weights_only=True)
        before = saved["settings"]
        other = [
            name
            for name, value in self._settings.items()
            if before.get(name) != value and name != "steps"
        ]
        if other:
            raise ValueError(
                f"{path.parent} holds a training with other settings: "
                + ", ".join(f"{name} {before.get(name)!r}" for name in other)
                + "; use these, or another output folder"
            )
        for name, part in self._parts.items():
            part.load_state_dict(saved[name])
        self.step, self.history = saved["step"], saved["history"]
