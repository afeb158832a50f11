"""Images in memory with labels, in three parts."""

import hashlib
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Part = Literal["training", "validation", "test"]


@dataclass(frozen=True)
class LabelledImages:
    """Images of one size, decoded once, and what they show.

    Attributes:
        names: N names, unique.
        images: (N, 3, S, S) uint8, RGB.
        labels: (N,) int64, places in `classes`.
        classes: Names of the classes.
        parts: For each image the part that it belongs to.
    """

    names: tuple[str, ...]
    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    parts: tuple[Part, ...]

    def places(self, part: Part) -> Tensor:
        """The places of a part's images, (n,) int64, ascending."""
        return torch.tensor([place for place, each in enumerate(self.parts) if each == part])

    @property
    def fingerprint(self) -> str:
        """sha256 of names and pixels, in hexadecimal digits."""
        content = repr(self.names).encode() + self.images.contiguous().numpy().tobytes()
        return hashlib.sha256(content).hexdigest()
