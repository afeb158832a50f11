import numpy as np
import pytest

from atelier_export.style.evaluation import EvaluationSettings
from atelier_export.style.held_out import HeldOut
from atelier_export.style.measure_stability import measure_stability


def test_a_grid_that_stands_still_is_not_stable():
    photograph = HeldOut("plain", np.full((64, 64, 3), 128, np.uint8))
    rows = (np.arange(64) % 2 * 10).astype(np.uint8)[:, None, None]
    (stability,) = measure_stability(lambda pixels: pixels + rows, [photograph], 0)
    assert stability.moved == 10
    assert stability.noise == pytest.approx(1.2, abs=0.05)


def test_what_the_edge_does_is_no_lack_of_stability():
    def framed(pixels):
        painted = pixels.copy()
        painted[:10] = painted[-10:] = painted[:, :10] = painted[:, -10:] = 0
        return painted

    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    (stability,) = measure_stability(framed, [HeldOut("noise", noise)], 0)
    assert stability.moved == 0


def test_the_smallest_photographs_for_stability():
    photograph = HeldOut("noise", np.random.default_rng(0).integers(0, 256, (34, 34, 3), np.uint8))
    (stability,) = measure_stability(lambda pixels: pixels, [photograph], 0)
    assert stability.moved == 0
    with pytest.raises(ValueError, match="side must be a finite number from 48 up, not 47"):
        EvaluationSettings(side=47)


def test_the_noise_is_the_same_each_time_and_another_for_each_photograph():
    plain = HeldOut("plain", np.full((64, 64, 3), 128, np.uint8))
    seen = []

    def watching(pixels):
        seen.append(pixels)
        return pixels

    for _ in range(2):
        measure_stability(watching, [plain, plain], 3)
    noisy = seen[2::3]
    assert np.abs(noisy[0].astype(int) - 128).max() == 2
    assert (noisy[0] != noisy[1]).any()
    np.testing.assert_array_equal(noisy[:2], noisy[2:])
