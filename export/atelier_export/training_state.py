"""What a training needs to go on after a kill: weights, optimizer, schedule, step, curves."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from atelier_export.replacing import replacing


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
        parts = {name: part.state_dict() for name, part in self._parts.items()}
        progress = {"step": self.step, "history": self.history, "settings": self._settings}
        with replacing(path) as partial:
            torch.save({**parts, **progress}, partial)

    def load(self, path: Path) -> None:
        """Goes on from `path` if it exists.

        Raises:
            OSError: It cannot be read.
            ValueError: It was saved with other settings, which the message names, or is damaged.
        """
        if not path.exists():
            return
        try:
            saved = torch.load(path, map_location="cpu", weights_only=True)
            before = saved["settings"]
            other = [
                name
                for name, value in self._settings.items()
                if before.get(name) != value and name != "steps"
            ]
            if not other:
                for name, part in self._parts.items():
                    part.load_state_dict(saved[name])
                self.step, self.history = saved["step"], saved["history"]
        except (OSError, MemoryError):
            raise
        except Exception as error:  # what is damaged may raise anything
            raise ValueError(
                f"{path} is no state of this training: it is damaged, or of something else; "
                "delete it to begin anew"
            ) from error
        if other:
            raise ValueError(
                f"{path.parent} holds a training with other settings: "
                + ", ".join(f"{name} {before.get(name)!r}" for name in other)
                + "; use these, or another output folder"
            )
