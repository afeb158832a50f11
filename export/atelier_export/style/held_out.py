"""Held-out photographs, to evaluate style networks on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from atelier_export.data.images import Pixels, center_crop, to_tensor
from atelier_export.data.readable import readable_images
from atelier_export.data.splits import split
from atelier_export.publishing.manifest import sha256


@dataclass(frozen=True)
class HeldOut:
    """The center crop of a photograph that no training saw.

    Attributes:
        name: The photograph's name.
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


def held_out_images(source: Path, every: int, side: int) -> list[HeldOut]:
    """Every Nth image by name, the ones that the training holds out.

    Args:
        source: Folder or uncompressed tar archive.
        every: The training's `held_out`; 1 takes all.
        side: Side of the center crop, in pixels.

    Raises:
        FileNotFoundError: `source` does not exist.
        ValueError: It holds no image, or fewer than `every`.
    """
    images = readable_images(source)
    chosen = images if every == 1 else split(images, every)[1]
    return [HeldOut(image.name, np.asarray(center_crop(image.read(), side))) for image in chosen]
