"""The bounds beside closed forms: Gaussians, and a linear model whose likelihood is known."""

import math
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal
from torch.distributions import kl_divergence as divergence

from atelier_export.vae.bounds import (
    bits_per_dimension,
    gaussian_log_density,
    importance_weighted_bound,
    kl_divergence,
    log_importance_weights,
    measure_bounds,
    sample_posterior,
)

LOADINGS = torch.tensor([[1.0, 0.0], [0.5, 0.0], [0.0, 2.0]], dtype=torch.float64)  # (D, L)
DEVIATION = 0.6


@dataclass
class LinearGaussian:
    """p(z) = N(0, I), p(x|z) = N(W z, s² I): probabilistic PCA (Tipping and Bishop 1999).

    W has orthogonal columns, so the exact posterior has a diagonal covariance. `shift` and `factor`
    spoil its mean and its variance.
    """

    shift: float = 0.0
    factor: float = 1.0

    def encoder(self, image: Tensor) -> tuple[Tensor, Tensor]:
        variance = 1 / (1 + LOADINGS.square().sum(dim=0) / DEVIATION**2)  # (L,)
        mean = image @ LOADINGS / DEVIATION**2 * variance  # (B, L)
        return mean + self.shift, (variance * self.factor).log().expand_as(mean)

    def decoder(self, latent: Tensor) -> Tensor:
        return latent @ LOADINGS.T

    def likelihood(self, location: Tensor, image: Tensor) -> Tensor:
        return Normal(location, DEVIATION).log_prob(image).sum(dim=1)

    def log_likelihood(self, image: Tensor) -> Tensor:
        covariance = LOADINGS @ LOADINGS.T + DEVIATION**2 * torch.eye(3, dtype=torch.float64)
        return MultivariateNormal(torch.zeros(3, dtype=torch.float64), covariance).log_prob(image)


@pytest.fixture
def images() -> Tensor:
    return torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def _noise(samples: int) -> Tensor:
    random = torch.Generator().manual_seed(1)
    return torch.randn(samples, 4, 2, generator=random, dtype=torch.float64)


def test_the_divergence_and_the_density_are_those_of_gaussians():
    random = torch.Generator().manual_seed(0)
    mean, log_variance, x = torch.randn(3, 5, 7, generator=random)
    posterior = Normal(mean, (log_variance / 2).exp())
    prior = Normal(torch.zeros(()), torch.ones(()))
    torch.testing.assert_close(
        kl_divergence(mean, log_variance), divergence(posterior, prior).sum(dim=1)
    )
    torch.testing.assert_close(
        gaussian_log_density(x, mean, log_variance), posterior.log_prob(x).sum(dim=1)
    )


def test_the_divergence_of_the_prior_is_zero():
    assert (kl_divergence(torch.zeros(2, 3), torch.zeros(2, 3)) == 0).all()


def test_samples_have_the_mean_and_the_variance_of_the_posterior():
    noise = torch.randn(20000, 2, generator=torch.Generator().manual_seed(0))
    samples = sample_posterior(torch.tensor([1.0, -3.0]), torch.tensor([0.0, 2.0]), noise)
    torch.testing.assert_close(samples.mean(dim=0), torch.tensor([1.0, -3.0]), atol=0.08, rtol=0)
    variances = torch.tensor([1.0, math.exp(2)])
    torch.testing.assert_close(samples.var(dim=0), variances, atol=0, rtol=0.05)


def test_with_the_exact_posterior_every_weight_is_the_likelihood(images):
    model = LinearGaussian()
    weights = log_importance_weights(model, images, _noise(3))
    torch.testing.assert_close(weights, model.log_likelihood(images).expand(3, -1))


def test_with_another_posterior_the_elbo_misses_its_divergence_from_the_exact_one(images):
    # log p(x) - ELBO = KL(q(z|x) || p(z|x)) (Kingma and Welling 2014, eq. 1).
    model = LinearGaussian(shift=0.3, factor=1.5)
    exact_mean, exact_log_variance = LinearGaussian().encoder(images)
    mean, log_variance = model.encoder(images)
    gap = divergence(
        Normal(mean, (log_variance / 2).exp()), Normal(exact_mean, (exact_log_variance / 2).exp())
    ).sum(dim=1)
    elbo = log_importance_weights(model, images, _noise(4000)).mean(dim=0)
    torch.testing.assert_close(model.log_likelihood(images) - elbo, gap, atol=0.05, rtol=0)
    assert gap.min() > 0.1


def test_more_samples_make_the_bound_tighter(images):
    model = LinearGaussian(shift=0.3, factor=1.5)
    weights = log_importance_weights(model, images, _noise(4000))  # (4000, 4)
    bounds = [
        torch.stack([importance_weighted_bound(each) for each in weights.split(samples)]).mean()
        for samples in (1, 5, 50)
    ]
    exact = model.log_likelihood(images).mean()
    assert bounds[0] < bounds[1] < bounds[2] < exact + 0.01
    assert exact - bounds[2] < 0.1 * (exact - bounds[0])


def test_the_bound_of_one_sample_is_its_weight_and_large_weights_do_not_overflow():
    torch.testing.assert_close(
        importance_weighted_bound(torch.tensor([[-3.0, 2.0]])), torch.tensor([-3.0, 2.0])
    )
    torch.testing.assert_close(
        importance_weighted_bound(torch.tensor([[-9e4], [-9e4 - 1e3]])),
        torch.tensor([-9e4 - math.log(2)]),
    )


def test_the_bounds_of_many_images_fit_each_other(images):
    model = LinearGaussian(shift=0.3, factor=1.5)
    images = images.repeat(500, 1).float().double()
    bounds = measure_bounds(model, images, samples=20, batch=300)
    exact = model.log_likelihood(images).mean()
    assert bounds.elbo.shape == bounds.importance_weighted.shape == (2000,)
    torch.testing.assert_close(bounds.elbo, bounds.reconstruction - bounds.kl)
    assert bounds.elbo.mean() < bounds.importance_weighted.mean() - 0.1
    assert bounds.importance_weighted.mean() < exact + 0.01
    torch.testing.assert_close(bounds.kl, kl_divergence(*model.encoder(images)))
    again = measure_bounds(model, images, samples=20, batch=300)
    assert (again.importance_weighted == bounds.importance_weighted).all()


def test_pure_chance_takes_eight_bits_for_a_level():
    nats = torch.tensor(12 * math.log(256))
    assert bits_per_dimension(nats, 12).item() == pytest.approx(8)
