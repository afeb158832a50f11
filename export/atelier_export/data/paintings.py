"""Paintings by movement, `<movement>/<artist>_<title>.<suffix>`, from a folder or a tar archive."""

from pathlib import Path, PurePosixPath

import numpy as np
import torch
from PIL import Image

from atelier_export.data.labelled_images import LabelledImages
from atelier_export.data.painting_splits import Split, split_by_artist, split_by_work
from atelier_export.data.readable import readable_images

MOVEMENTS = (
    "abstract",
    "baroque",
    "cubism",
    "fauvism",
    "impressionism",
    "naive_art",
    "pointillism",
    "rococo",
    "ukiyo_e",
)
ERAS = {
    "classical": ("baroque", "rococo", "ukiyo_e"),
    "modern": ("impressionism", "pointillism", "fauvism", "naive_art", "cubism"),
    "abstract": ("abstract",),
}
"""The movements of each era."""


def read_paintings(
    source: Path, side: int = 128, split: Split = "work", *, strict: bool = False
) -> LabelledImages:
    """Decodes paintings, squashed to `side`×`side`, and splits them.

    Args:
        source: Folder or uncompressed tar archive of `<movement>/<artist>_<title>.<suffix>`.
        side: Side in pixels.
        split: "work": photographs of one work are in one part, 70 % of the works for training and
            15 % each for validation and test. "artist": the works of one artist are in one part, in
            about the same shares; an artist with more than a sixth of a movement is trained on.
        strict: As in `readable_images`.

    Raises:
        ValueError: A painting's folder is not named after a movement; or as of `readable_images`.
    """
    found = readable_images(source, strict=strict)
    names = tuple(each.name for each in found)
    labels = torch.tensor([_movement(name) for name in names])
    squares = [np.asarray(resize_to_square(each.read(), side)) for each in found]
    images = torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2).contiguous()  # (N, 3, S, S)
    parts = split_by_work(names, images) if split == "work" else split_by_artist(names)
    return LabelledImages(names, images, labels, MOVEMENTS, parts)


def resize_to_square(image: Image.Image, side: int) -> Image.Image:
    """The whole image squashed to a square, antialiased; unchanged if it has this size."""
    if image.size == (side, side):
        return image
    return image.resize((side, side), Image.Resampling.BILINEAR)


def _movement(name: str) -> int:
    folder = PurePosixPath(name).parent.name
    if folder not in MOVEMENTS:
        raise ValueError(f"{name} is in no folder named after a movement ({', '.join(MOVEMENTS)})")
    return MOVEMENTS.index(folder)
