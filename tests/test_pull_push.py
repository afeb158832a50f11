"""The smooth filling that the client uses, and the one that the autoencoder is measured with."""

import numpy as np
import pytest

from atelier._pull_push import pull_push
from atelier_export.vae.restoration import pull_push as measured


@pytest.mark.parametrize("size", [(32, 32), (37, 53), (1, 8)])
def test_both_fill_with_the_same_pixels(size):
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (*size, 3), dtype=np.uint8)
    holes = random.random(size) < 0.7
    holes[0, 0] = False
    filled = pull_push(image, holes)
    assert np.abs(filled.astype(int) - measured(image, holes)).max() <= 1
    np.testing.assert_array_equal(filled[~holes], image[~holes])


def test_a_hole_takes_the_colours_around_it():
    image = np.zeros((16, 16, 3), np.uint8)
    image[:, 8:] = 200
    holes = np.zeros((16, 16), bool)
    holes[4:12, 4:12] = True
    image[holes] = (255, 0, 0)
    filled = pull_push(image, holes)
    assert (filled <= 200).all()
    assert filled[8, 4].mean() < 70 < 130 < filled[8, 11].mean()


def test_without_surroundings_there_is_grey():
    image = np.zeros((4, 4, 3), np.uint8)
    assert (pull_push(image, np.ones((4, 4), bool)) == 128).all()
