import numpy as np
import pytest

from atelier_export.vae.image_quality import psnr
from atelier_export.vae.restoration import biharmonic, median_filter, non_local_means


@pytest.fixture
def slope():
    """A smooth image of 32×32, of three different colours."""
    ramp = np.linspace(40, 200, 32)
    return np.stack([np.add.outer(ramp, ramp * k) / (1 + k) for k in (0, 1, 3)], 2).astype(np.uint8)


def test_filters_lessen_noise(slope):
    noise = np.random.default_rng(0).normal(0, 25, slope.shape)
    noisy = (slope + noise).clip(0, 255).astype(np.uint8)
    for filtered in (median_filter(noisy), non_local_means(noisy, 25)):
        assert filtered.dtype == np.uint8
        assert psnr(slope, filtered) > psnr(slope, noisy) + 4


def test_the_median_mixes_no_colours():
    image = np.zeros((8, 8, 3), np.uint8)
    image[:, :, 0] = 255
    assert (median_filter(image) == image).all()


def test_inpainting_continues_what_surrounds_a_hole(slope):
    holes = np.zeros((32, 32), bool)
    holes[12:18, 10:16] = True
    damaged = slope.copy()
    damaged[holes] = 128
    filled = biharmonic(damaged, holes)
    assert (filled[~holes] == slope[~holes]).all()
    assert psnr(slope, filled, holes) > 35
