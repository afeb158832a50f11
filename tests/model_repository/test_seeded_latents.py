"""What is drawn from a seed."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from seeded_latents import seeded_latent, seeded_movement

NORMAL = NormalDist()


def latents(count: int, truncation: float) -> np.ndarray:
    return np.stack([seeded_latent(7, image, 128, truncation) for image in range(count)])


@pytest.mark.parametrize(
    ("seed", "image", "truncation", "values", "movement"),
    [
        (0, 0, 4.0, [-0.70127547, -1.2188505, 0.1621612, 0.0059644408], 0),
        (2014, 5, 1.0, [-0.6245801, 0.5765482, 0.095779866, -0.11898096], 2),
        (2**63 - 1, 2**63 - 1, 0.5, [-0.45938653, 0.3256302, 0.25756562, -0.15566333], 3),
    ],
)
def test_a_seed_draws_the_same_for_ever(seed, image, truncation, values, movement):
    drawn = seeded_latent(seed, image, 4, truncation)
    assert drawn.dtype == np.float32
    # The last bit is the machine's.
    assert drawn.tolist() == pytest.approx(values, rel=2e-7)
    assert seeded_movement(seed, image, 9) == movement


def test_a_longer_latent_begins_with_the_shorter_one():
    assert (seeded_latent(1, 2, 100, 1.0)[:7] == seeded_latent(1, 2, 7, 1.0)).all()


@pytest.mark.parametrize("truncation", [0.1, 1.0, 2.0, 4.0])
def test_values_are_of_the_truncated_normal_distribution(truncation):
    drawn = latents(400, truncation).astype(float).ravel()
    inside = NORMAL.cdf(truncation) - NORMAL.cdf(-truncation)
    variance = 1 - 2 * truncation * NORMAL.pdf(truncation) / inside
    # Five times the standard error; that of the variance is at most this one.
    error = 5 / math.sqrt(drawn.size)
    assert abs(drawn.mean()) < error * math.sqrt(variance)
    assert drawn.var() == pytest.approx(variance, rel=error * math.sqrt(2))
    assert np.abs(drawn).max() <= truncation * (1 + 1e-7)
    for share in (0.1, 0.25, 0.5, 0.75, 0.9):
        quantile = NORMAL.inv_cdf(NORMAL.cdf(-truncation) + share * inside)
        assert (drawn < quantile).mean() == pytest.approx(share, abs=error / 2)


def test_no_truncation_is_too_small():
    assert np.abs(seeded_latent(1, 0, 50, 5e-324)).max() <= 5e-324


def test_a_smaller_truncation_draws_the_same_latent_nearer_to_zero():
    full, half = latents(20, 2.0), latents(20, 1.0)
    assert (np.sign(full) == np.sign(half)).all()
    assert (np.abs(half) < np.abs(full)).all()
    assert (np.argsort(full, axis=None) == np.argsort(half, axis=None)).all()


def test_images_and_seeds_have_nothing_in_common():
    drawn = np.stack(
        [seeded_latent(seed, image, 128, 4.0) for seed in (0, 1, 2**62) for image in range(30)]
    )
    assert np.unique(drawn).size > 0.999 * drawn.size
    others = np.corrcoef(drawn) - np.eye(len(drawn))
    assert np.abs(others).max() < 6 / math.sqrt(128)


def test_movements_are_as_likely_as_each_other():
    drawn = [seeded_movement(seed, image, 9) for seed in range(30) for image in range(30)]
    counts = np.bincount(drawn, minlength=9)
    assert counts.size == 9
    # Chi-squared of 8 degrees of freedom is above this in one of a million draws.
    assert ((counts - 100) ** 2 / 100).sum() < 42.7
