"""The digits of MNIST (LeCun et al. 1998)."""

import gzip
import struct
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from atelier_export.data.labelled_images import LabelledImages, Part

DIGITS = tuple("0123456789")


def read_digits(folder: Path) -> LabelledImages:
    """Reads MNIST; the last 5,000 training images become the validation part.

    Args:
        folder: The four idx files as published, compressed with gzip.

    Raises:
        OSError: A file cannot be read.
        ValueError: A file is not in the idx format.
    """
    images = [_read_idx(folder / f"{name}-images-idx3-ubyte.gz", 3) for name in ("train", "t10k")]
    labels = [_read_idx(folder / f"{name}-labels-idx1-ubyte.gz", 1) for name in ("train", "t10k")]
    training, test = len(images[0]), len(images[1])
    grey = torch.cat(images)[:, None]  # (N, 1, 28, 28)
    parts: list[Part] = ["training"] * (training - 5000)
    parts += ["validation"] * 5000
    parts += ["test"] * test
    return LabelledImages(
        names=tuple(str(index) for index in range(len(grey))),
        images=grey.expand(-1, 3, -1, -1),
        labels=torch.cat(labels).long(),
        classes=DIGITS,
        parts=tuple(parts),
    )


def _read_idx(path: Path, dimensions: int) -> Tensor:
    """Reads an idx file of bytes: 0, 0, type 8, number of dimensions, their sizes, the data."""
    with gzip.open(path) as file:
        content = file.read()
    header = 4 + 4 * dimensions
    if content[:4] != bytes((0, 0, 8, dimensions)):
        raise ValueError(f"{path} is no idx file of bytes in {dimensions} dimensions")
    shape = struct.unpack(f">{dimensions}I", content[4:header])
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=header).copy()).view(shape)
