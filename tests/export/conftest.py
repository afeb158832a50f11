from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

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
