from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from atelier_export.data.paintings import MOVEMENTS


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
