"""Images in memory with labels, in three parts."""

import hashlib
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Part = Literal["training", "validation", "test"]


@dataclass(frozen=True)
class LabelledImages:
    """Decoded images of one size, with labels and parts.

    Attributes:
        names: N names, unique.
        images: (N, 3, S, S) uint8, RGB.
        labels: (N,) int64, indices into `classes`.
        classes: Names of the classes.
        parts: The part of each image.
    """

    names: tuple[str, ...]
    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    parts: tuple[Part, ...]

    def indices(self, part: Part) -> Tensor:
        """The indices of a part's images, (n,) int64, ascending."""
        return torch.tensor([index for index, each in enumerate(self.parts) if each == part])

    @property
    def fingerprint(self) -> str:
        """sha256 of names and pixels, in hexadecimal digits."""
        content = repr(self.names).encode() + self.images.contiguous().numpy().tobytes()
        return hashlib.sha256(content).hexdigest()
