"""What a painting takes back from the photograph."""

import time

import numpy as np
import pytest
from photograph import MAX_CONTRAST, resized, with_colours_of
from PIL import Image
from skimage import data


def luminance(pixels: np.ndarray) -> np.ndarray:
    return pixels @ np.array([0.299, 0.587, 0.114])


def chroma(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).convert("YCbCr"))[..., 1:].astype(int)


def within(photograph: np.ndarray, low: int, high: int) -> np.ndarray:
    """The photograph with less contrast, so that nothing is cut off at black or white."""
    return (low + photograph * ((high - low) / 255)).round().astype(np.uint8)


@pytest.fixture
def photograph(photo) -> np.ndarray:
    return within(np.asarray(photo), 90, 170)


@pytest.fixture
def painting() -> np.ndarray:
    return np.asarray(Image.fromarray(data.coffee()).resize((181, 127)))


def test_the_size_of_the_photograph(painting):
    assert resized(painting, 127, 181) is painting
    larger = resized(painting, 300, 411)
    assert larger.shape == (300, 411, 3)
    again = resized(larger, 127, 181)
    assert np.abs(again.astype(int) - painting).mean() < 2


def test_the_photograph_gives_itself(photo):
    pixels = np.asarray(photo)
    assert (with_colours_of(pixels, pixels) == pixels).all()


def test_the_colours_are_the_photographs_and_the_strokes_the_paintings(photograph, painting):
    result = with_colours_of(photograph, within(painting, 100, 160))
    assert np.abs(chroma(result) - chroma(photograph)).max() <= 2
    matched = np.corrcoef(luminance(result).ravel(), luminance(painting).ravel())[0, 1]
    assert matched > 0.999


def test_the_mean_of_the_luminance_is_the_photographs(photograph, painting):
    for low, high in ((0, 60), (100, 160), (190, 250)):
        result = with_colours_of(photograph, within(painting, low, high))
        assert luminance(result).mean() == pytest.approx(luminance(photograph).mean(), abs=1)


def test_weak_strokes_gain_contrast_and_strong_ones_keep_theirs(photograph, painting):
    own = luminance(photograph).std()
    for weak in (within(painting, 110, 150), within(painting, 100, 160)):
        assert luminance(weak).std() < own
        result = with_colours_of(photograph, weak)
        assert luminance(result).std() == pytest.approx(own, rel=0.05)
    strong = within(painting, 60, 190)
    assert luminance(strong).std() > own
    result = with_colours_of(photograph, strong)
    assert luminance(result).std() == pytest.approx(luminance(strong).std(), rel=0.05)


def test_a_painting_that_is_all_but_even_stays_so(photo, painting):
    photograph = np.asarray(photo)
    faint = within(painting, 126, 129)
    result = luminance(with_colours_of(photograph, faint))
    assert result.std() < 1.5 * MAX_CONTRAST
    even = luminance(with_colours_of(within(photograph, 100, 150), np.zeros_like(photograph)))
    assert even.std() < 1


def test_a_smaller_painting_takes_the_colours_at_full_size(photograph, painting):
    small = np.asarray(Image.fromarray(within(painting, 100, 160)).resize((60, 42)))
    result = with_colours_of(photograph, small)
    assert result.shape == photograph.shape
    assert np.abs(chroma(result) - chroma(photograph)).max() <= 2


@pytest.mark.parametrize("size", [(16, 16), (1, 1), (17, 40_000), (40_000, 17)])
def test_any_size(size):
    random = np.random.default_rng(0)
    photograph, painting = (random.integers(0, 256, (*size, 3), np.uint8) for _ in range(2))
    assert with_colours_of(photograph, painting).shape == photograph.shape


def test_it_takes_a_few_milliseconds():
    photograph, painting = (
        np.asarray(Image.fromarray(picture).resize((512, 512)))
        for picture in (data.astronaut(), data.coffee())
    )
    quickest = float("inf")
    for _ in range(10):
        started = time.thread_time()
        with_colours_of(photograph, painting)
        quickest = min(quickest, time.thread_time() - started)
    # 2.5 ms, with room for a machine that does other things meanwhile.
    assert quickest < 0.01
