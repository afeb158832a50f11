import math

import pytest
import torch
from torch.distributions import Laplace

from atelier_export.vae.likelihood import Bernoulli, DiscretisedLaplace

LEVELS = torch.arange(256.0).view(256, 1, 1, 1) / 255


def _laplace(scale):
    likelihood = DiscretisedLaplace().double()
    torch.nn.init.constant_(likelihood.log_scale, math.log(scale))
    return likelihood


@pytest.mark.parametrize("scale", [0.02, 0.7, 5.0, 300.0])
@pytest.mark.parametrize("location", [-0.3, 0.0, 0.4012, 128 / 255, 1.0, 1.2])
def test_the_probabilities_of_all_levels_add_up_to_one(scale, location):
    locations = torch.full((256, 1, 1, 1), location - 0.5, dtype=torch.float64)
    log_mass = _laplace(scale)(locations, LEVELS.double())
    assert log_mass.exp().sum().item() == pytest.approx(1, abs=1e-9)


def test_a_probability_is_the_mass_of_a_level():
    location = torch.full((256, 1, 1, 1), 0.37 - 0.5, dtype=torch.float64)
    found = _laplace(4.0)(location, LEVELS.double()).exp()
    distribution = Laplace(torch.tensor(0.37 * 255, dtype=torch.float64), 4.0)
    level = torch.arange(256, dtype=torch.float64)
    expected = distribution.cdf(level + 0.5) - distribution.cdf(level - 0.5)
    torch.testing.assert_close(found[1:-1], expected[1:-1], rtol=1e-6, atol=1e-12)
    assert found[0].item() == pytest.approx(distribution.cdf(torch.tensor(0.5)).item())


def test_the_log_likelihood_of_an_image_is_the_sum_over_its_values():
    likelihood = _laplace(4.0)
    location, image = torch.rand(2, 3, 4, 5).double(), (torch.rand(2, 3, 4, 5) * 255).round() / 255
    found = likelihood(location, image.double())
    each = likelihood(location.reshape(-1, 1, 1, 1), image.double().reshape(-1, 1, 1, 1))
    torch.testing.assert_close(found, each.view(2, -1).sum(dim=1))


@pytest.mark.parametrize("scale", [0.01, 1.0, 500.0])
def test_gradients_are_finite_however_far_a_pixel_is_off(scale):
    likelihood = DiscretisedLaplace()
    torch.nn.init.constant_(likelihood.log_scale, math.log(scale))
    location = torch.tensor([-9.0, 0.0, 0.5 / 255, 0.3, 1.0, 9.0]).view(6, 1, 1, 1) - 0.5
    for level in (0.0, 76 / 255, 0.3 * 255 // 1 / 255, 1.0):
        leaf = location.clone().requires_grad_()
        total = likelihood(leaf, torch.full_like(leaf, level)).sum()
        (*gradients,) = torch.autograd.grad(total, [leaf, likelihood.log_scale])
        assert total.isfinite()
        assert all(gradient.isfinite().all() for gradient in gradients)


def test_the_likeliest_scale_is_the_mean_absolute_error():
    # Of a Laplace distribution; whole levels change it little where it is much above one.
    random = torch.Generator().manual_seed(0)
    image = (torch.randint(100, 156, (64, 3, 8, 8), generator=random)) / 255
    location = torch.zeros_like(image)  # grey
    likelihood = DiscretisedLaplace()
    error = 255 * (image - 0.5).abs().mean()
    totals = []
    for factor in (0.9, 1.0, 1.1):
        torch.nn.init.constant_(likelihood.log_scale, math.log(factor * error))
        totals.append(likelihood(location, image).sum().item())
    assert totals[1] > max(totals[0], totals[2])


def test_bernoulli_is_the_probability_of_black_or_white():
    log_odds = torch.tensor([0.3, -2.0]).view(1, 1, 1, 2)
    white = log_odds.sigmoid().flatten()
    found = Bernoulli()(log_odds, torch.tensor([1.0, 0.0]).view(1, 1, 1, 2))
    torch.testing.assert_close(found, (white[0] * (1 - white[1])).log()[None])
    torch.testing.assert_close(Bernoulli().image(log_odds).flatten(), white)
