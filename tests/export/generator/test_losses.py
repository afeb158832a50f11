"""The losses beside values computed by hand, and the penalty beside a known gradient."""

import math

import pytest
import torch
from torch import Tensor, nn

from atelier_export.generator.losses import discriminator_loss, generator_loss, r1_penalty


class Quadratic(nn.Module):
    """The logit a ‖x‖² + b · label, whose gradient is 2 a x."""

    def __init__(self, a: float) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a, dtype=torch.float64))

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        return self.a * x.square().sum(dim=(1, 2, 3)) + 7 * label


def test_an_undecided_discriminator_loses_two_bits_and_the_generator_one():
    logit = torch.zeros(3)
    assert discriminator_loss(logit, logit).item() == pytest.approx(2 * math.log(2))
    assert generator_loss(logit).item() == pytest.approx(math.log(2))


def test_the_losses_are_those_of_the_probabilities():
    real, fake = torch.tensor([2.0, -1.0]), torch.tensor([0.5, -3.0])
    right = [-math.log(1 / (1 + math.exp(-2))), -math.log(1 / (1 + math.exp(1)))]
    wrong = [-math.log(1 - 1 / (1 + math.exp(-0.5))), -math.log(1 - 1 / (1 + math.exp(3)))]
    expected = sum(right) / 2 + sum(wrong) / 2
    assert discriminator_loss(real, fake).item() == pytest.approx(expected)
    fooled = [-math.log(1 / (1 + math.exp(-0.5))), -math.log(1 / (1 + math.exp(3)))]
    assert generator_loss(fake).item() == pytest.approx(sum(fooled) / 2)


def test_large_logits_do_not_overflow():
    large = torch.tensor([1e4])
    assert discriminator_loss(-large, large).item() == pytest.approx(2e4)
    assert generator_loss(-large).item() == pytest.approx(1e4)


def test_the_penalty_is_half_the_squared_gradient():
    random = torch.Generator().manual_seed(0)
    real = torch.randn(3, 2, 4, 4, generator=random, dtype=torch.float64)
    penalty = r1_penalty(Quadratic(0.5), real, torch.zeros(3).long())
    squares = real.square().sum(dim=(1, 2, 3))  # (3,), the gradient is x itself
    torch.testing.assert_close(penalty, squares.mean() / 2)


def test_the_penalty_has_a_gradient_of_its_own():
    real = torch.ones(2, 1, 3, 3, dtype=torch.float64)
    network = Quadratic(0.25)
    r1_penalty(network, real, torch.zeros(2).long()).backward()
    # ‖2 a x‖² / 2 = 2 a² ‖x‖², with the derivative 4 a ‖x‖².
    assert network.a.grad.item() == pytest.approx(4 * 0.25 * 9)
    assert not real.requires_grad
