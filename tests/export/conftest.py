import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from atelier_export.data.paintings import MOVEMENTS
from atelier_export.losses.vgg import VGG19


@pytest.fixture(scope="session")
def vgg_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """VGG-19 with random weights: enough for whatever does not depend on what it has learnt."""
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("vgg") / "vgg19.safetensors"
    weights = {
        name.removeprefix("convs."): value.half()
        for name, value in VGG19().state_dict().items()
        if name != "mean"
    }
    save_file(weights, path)
    return path


def _smooth_image(random: np.random.Generator, width: int, height: int) -> Image.Image:
    coarse = random.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of eight small images of differing sizes."""
    folder = tmp_path_factory.mktemp("photographs")
    random = np.random.default_rng(2)
    for number in range(8):
        _smooth_image(random, 40 + 5 * number, 70 - 3 * number).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="session")
def paintings(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two images to take the style from."""
    folder = tmp_path_factory.mktemp("paintings")
    random = np.random.default_rng(3)
    files = [folder / "red.png", folder / "blue.png"]
    for file in files:
        _smooth_image(random, 60, 50).save(file)
    return files


@pytest.fixture(scope="session")
def movements(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve paintings of each movement, by twelve artists, whose colours tell the movement."""
    folder = tmp_path_factory.mktemp("movements")
    random = np.random.default_rng(0)
    for number, movement in enumerate(MOVEMENTS):
        (folder / movement).mkdir()
        for artist in range(12):
            tint = np.array([0, 15 * number, 135 - 15 * number])
            pixels = random.integers(0, 120, (16, 16, 3)) + tint
            image = Image.fromarray(pixels.astype(np.uint8)).resize((64, 64))
            image.save(folder / movement / f"artist{artist}_a-work-of-{movement}.png")
    return folder


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits in the four files of MNIST: bright where the digit is odd."""
    folder = tmp_path_factory.mktemp("digits")
    for name, count in (("train", 5040), ("t10k", 20)):
        labels = np.arange(count, dtype=np.uint8) % 10
        pixels = np.full((count, 28, 28), 60, np.uint8) + 100 * (labels % 2)[:, None, None]
        for suffix, array in (
            ("images-idx3-ubyte", pixels.astype(np.uint8)),
            ("labels-idx1-ubyte", labels),
        ):
            header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
            (folder / f"{name}-{suffix}.gz").write_bytes(gzip.compress(header + array.tobytes(), 1))
    return folder
