"""The state that a training resumes from: its parts, the step and the curves."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch

from atelier_export.files.atomic_write import atomic_write


class Stateful(Protocol):
    """A network, an optimizer, a schedule, a moving average: anything with a `state_dict`."""

    def state_dict(self) -> dict[str, Any]:
        """The state, as tensors and plain values."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any:
        """Restores a state."""


class TrainingState:
    """The parts of a training that change with every step, in one file."""

    def __init__(self, parts: Mapping[str, Stateful], settings: dict[str, Any]) -> None:
        """Starts at step 0.

        Args:
            parts: Networks, optimizers, schedules by name; their states are saved and restored.
            settings: Everything that has an effect on the weights. A state is only restored if it
                was saved with the same, `steps` excepted: a training can be made longer.
        """
        self._parts = dict(parts)
        self._settings = settings
        self.step = 0
        self.history: list[dict[str, float]] = []

    def save(self, path: Path) -> None:
        """Writes atomically: a kill leaves the previous state."""
        parts = {name: part.state_dict() for name, part in self._parts.items()}
        progress = {"step": self.step, "history": self.history, "settings": self._settings}
        with atomic_write(path) as partial:
            torch.save({"parts": parts, **progress}, partial)

    def load(self, path: Path) -> None:
        """Restores the state in `path`, if the file exists.

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
                    part.load_state_dict(saved["parts"][name])
                self.step, self.history = saved["step"], saved["history"]
        except (OSError, MemoryError):
            raise
        except Exception as error:  # a damaged file may raise anything
            raise ValueError(
                f"{path} is damaged or not a state of this training; delete it to start over"
            ) from error
        if other:
            raise ValueError(
                f"{path.parent} holds a training with other settings: "
                + ", ".join(f"{name} {before.get(name)!r}" for name in other)
                + "; use these, or another output folder"
            )
