"""The photographs on which networks are evaluated."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from atelier_export.manifest import sha256
from atelier_export.pictures import center_crop, find_pictures
from atelier_export.published_style import Pixels
from atelier_export.style_training import split


@dataclass(frozen=True)
class HeldOut:
    """The middle of a photograph that no training saw.

    Attributes:
        name: The photograph's.
        pixels: (side, side, 3).
    """

    name: str
    pixels: Pixels

    @property
    def tensor(self) -> Tensor:
        """(1, 3, side, side) in 0..1."""
        return as_tensor(self.pixels)

    @property
    def sha256(self) -> str:
        """Checksum of the pixels."""
        return sha256(self.pixels.tobytes())


def held_out_photographs(photographs: Path, every: int, side: int) -> list[HeldOut]:
    """Every so manieth photograph by name, as the training leaves them out.

    Args:
        photographs: Folder or uncompressed tar archive.
        every: The training's `held_out`; 1 takes all.
        side: Of the square in the middle, in pixels.

    Raises:
        FileNotFoundError: `photographs` does not exist.
        ValueError: It holds no picture, or fewer than `every`.
    """
    pictures = find_pictures(photographs)
    chosen = pictures if every == 1 else split(pictures, every)[1]
    return [
        HeldOut(picture.name, np.asarray(center_crop(picture.read(), side))) for picture in chosen
    ]


def as_tensor(pixels: Pixels) -> Tensor:
    """A picture (H, W, 3) of 0..255 as (1, 3, H, W) in 0..1."""
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
