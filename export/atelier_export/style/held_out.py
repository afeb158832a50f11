"""The photographs on which networks are evaluated."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from atelier_export.manifest import sha256
from atelier_export.pictures import Pixels, center_crop, find_pictures, to_tensor
from atelier_export.style.settings import split


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
        return to_tensor(Image.fromarray(self.pixels))[None]

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
