"""The measures beside values that are known in closed form."""

import numpy as np
import pytest

from atelier_export.generator.measures import frechet_distance, nearest, pairwise_distance


def test_two_gaussians_of_one_dimension():
    # (m - m')² + (s - s')², from vectors with exactly these moments.
    one = 3 * np.array([[-1.0], [1.0]]) / np.sqrt(2) + 5
    other = 1 * np.array([[-1.0], [1.0]]) / np.sqrt(2) + 1
    assert frechet_distance(one, other) == pytest.approx((5 - 1) ** 2 + (3 - 1) ** 2)


def test_it_is_that_of_the_moments_with_a_square_root_of_a_matrix():
    from scipy.linalg import sqrtm

    random = np.random.default_rng(0)
    one = random.standard_normal((200, 6)) @ random.standard_normal((6, 6))
    other = random.standard_normal((150, 6)) @ random.standard_normal((6, 6)) + 1
    first, second = np.cov(one.T), np.cov(other.T)
    expected = np.square(one.mean(axis=0) - other.mean(axis=0)).sum() + np.trace(
        first + second - 2 * sqrtm(first @ second).real
    )
    assert frechet_distance(one, other) == pytest.approx(expected)
    assert frechet_distance(other, one) == pytest.approx(expected)


def test_equal_sets_have_no_distance_and_a_shift_has_its_square():
    # Fewer vectors than dimensions: the covariance is singular.
    one = np.random.default_rng(0).standard_normal((20, 50))
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(one, one + 2) == pytest.approx(4 * 50)


def test_one_vector_has_no_covariance():
    with pytest.raises(ValueError, match="two vectors or more, not 1 and 5"):
        frechet_distance(np.zeros((1, 3)), np.zeros((5, 3)))


def test_the_mean_distance_leaves_a_vector_and_itself_out():
    vectors = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 8.0]])
    assert pairwise_distance(vectors) == pytest.approx((5 + 8 + 5) / 3)
    many = np.random.default_rng(0).standard_normal((30, 4))
    assert pairwise_distance(many, block=7) == pytest.approx(pairwise_distance(many))
    assert np.isnan(pairwise_distance(vectors[:1]))


def test_the_nearest_vector_is_found():
    references = np.array([[0.0, 0.0], [10.0, 0.0]])
    distances, places = nearest(np.array([[7.0, 4.0], [0.0, 0.0]]), references)
    assert distances.tolist() == pytest.approx([5, 0])
    assert places.tolist() == [1, 0]
