import numpy as np
import pytest

from atelier_export.vae.image_quality import psnr, quality_figures, ssim


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)


def test_psnr_is_the_peak_above_the_mean_squared_error():
    black, grey = np.zeros((12, 12, 3), np.uint8), np.full((12, 12, 3), 51, np.uint8)
    assert psnr(black, grey) == pytest.approx(20 * np.log10(5))
    assert psnr(black, black) == pytest.approx(10 * np.log10(255**2 * 432))


def test_psnr_can_look_at_some_pixels_alone(image):
    other = image.copy()
    other[:4] = 255 - other[:4]
    where = np.zeros((16, 16), bool)
    where[4:] = True
    assert psnr(image, other, where) > 60
    assert psnr(image, other, ~where) < 10


def test_ssim_is_one_for_equal_images_and_falls_with_the_contrast():
    # With constant images only the means differ: (2 a b + C1) / (a² + b² + C1), Wang et al., eq. 6.
    one, other = (np.full((16, 16, 3), level, np.uint8) for level in (100, 150))
    c1 = (0.01 * 255) ** 2
    assert ssim(one, one) == pytest.approx(1)
    assert ssim(one, other) == pytest.approx((2 * 100 * 150 + c1) / (100**2 + 150**2 + c1))


def test_figures_are_means_over_pairs(image):
    other = 255 - image
    figures = quality_figures([image, image], [image, other])
    assert figures["ssim"] == pytest.approx((1 + ssim(image, other)) / 2)
    assert figures["psnr"] == pytest.approx((psnr(image, image) + psnr(image, other)) / 2)
