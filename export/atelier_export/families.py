"""The families of models: one line here and one folder each.

A family's folder has a module `family` with the functions that the commands call, each of which
takes dataclasses of `settings`:

- `train`: trains the family's networks and returns the checkpoint's path;
- `calibrate`: measures how they are put into 8 bits, see `publishing.calibration`;
- `evaluate`: measures what is published and returns tables for the model card;
- `served_models`: reads a checkpoint and lists what it serves, see `publishing.served_model`;
- `tables`: the model card's tables, made from its evaluation.json, see `reports.model_card`;
- `train_digits`, if `digits` is set: trains the same code on MNIST, as a test of it.
"""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType


@dataclass(frozen=True)
class Family:
    """One family, loaded when a command needs it.

    Attributes:
        name: Names the folder in this package and in `export/checkpoints`.
        purpose: What its models do, for the list of commands.
        digits: Whether the family can be trained on MNIST.
    """

    name: str
    purpose: str
    digits: bool = False

    @property
    def module(self) -> ModuleType:
        """The family's module, imported now."""
        return import_module(f"atelier_export.{self.name}.family")

    @property
    def checkpoint(self) -> Path:
        """The published weights, in a clone."""
        return Path("export/checkpoints") / self.name / f"{self.name}.safetensors"


FAMILIES = {
    family.name: family
    for family in (
        Family("style", "Repaints images in the style of paintings."),
        Family("classifier", "Says which movement and era a painting belongs to.", digits=True),
        Family("vae", "Encodes images to latents and decodes them.", digits=True),
        Family("generator", "Paints new images of a movement.", digits=True),
    )
}
"""Every family by name."""
