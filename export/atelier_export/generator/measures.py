"""How near a set of samples is to a set of real images, from vectors of features."""

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float32]
"""(n, F): one vector an image."""


def frechet_distance(one: Features, other: Features) -> float:
    """The squared Fréchet distance of two Gaussians with the moments of two sets of vectors.

    ‖m - m'‖² + tr(S + S' - 2 (S S')^½) (Heusel et al. 2017, arXiv:1706.08500, eq. 6). It is above 0
    for two sets of one distribution as well, by the more the smaller they are: compare distances of
    equal numbers of vectors alone.

    Args:
        one: (n, F), n at least 2.
        other: (m, F), m at least 2.

    Returns:
        In the features' units, squared; at least 0.

    Raises:
        ValueError: A set has less than two vectors.
    """
    if min(len(one), len(other)) < 2:
        raise ValueError(f"a covariance needs two vectors or more, not {len(one)} and {len(other)}")
    means, roots, traces = [], [], []
    for each in (one.astype(np.float64), other.astype(np.float64)):
        mean = each.mean(axis=0)  # (F,)
        # S = R Rᵀ, so that the trace of (S S')^½ is the sum of the singular values of Rᵀ R'
        # (the nuclear norm), which needs no square root of a matrix that may be singular.
        root = (each - mean).T / np.sqrt(len(each) - 1)  # (F, n)
        means.append(mean)
        roots.append(_smaller(root))
        traces.append(np.square(root).sum())
    cross = np.linalg.svd(roots[0].T @ roots[1], compute_uv=False).sum()
    distance = np.square(means[0] - means[1]).sum() + sum(traces) - 2 * cross
    return float(max(0.0, distance))


def _smaller(root: NDArray[np.float64]) -> NDArray[np.float64]:
    """A root (F, min(n, F)) of the same covariance as (F, n)."""
    features, count = root.shape
    if count <= features:
        return root
    lower: NDArray[np.float64] = np.linalg.qr(root.T).R.T  # (F, F)
    return lower


def pairwise_distance(vectors: Features, block: int = 512) -> float:
    """The mean Euclidean distance of two different vectors, of (n, F); nan of less than two."""
    count = len(vectors)
    if count < 2:
        return float("nan")
    total = sum(
        _distances(vectors[first : first + block], vectors).sum()
        for first in range(0, count, block)
    )
    return float(total / (count * (count - 1)))


def nearest(
    vectors: Features, references: Features
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Distances (n,) of vectors (n, F) to their nearest of (m, F), and which these are (n,)."""
    distances = _distances(vectors, references)  # (n, m)
    return distances.min(axis=1), distances.argmin(axis=1)


def _distances(one: Features, other: Features) -> NDArray[np.float64]:
    """Euclidean distances (n, m) of (n, F) and (m, F)."""
    one, other = one.astype(np.float64), other.astype(np.float64)
    squares = np.square(one).sum(axis=1)[:, None] + np.square(other).sum(axis=1)  # (n, m)
    distances: NDArray[np.float64] = np.sqrt(np.maximum(squares - 2 * one @ other.T, 0))
    return distances
