"""The adversarial losses and the gradient penalty, as means over a batch of logits."""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """-log D(x) - log(1 - D(G(z))) (Goodfellow et al. 2014, arXiv:1406.2661, eq. 1).

    Args:
        real: Logits (B,) of real maps; D is their sigmoid.
        fake: Logits (B,) of generated maps.
    """
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def generator_loss(fake: Tensor) -> Tensor:
    """-log D(G(z)), the non-saturating loss (Goodfellow et al. 2014, section 3)."""
    return F.softplus(-fake).mean()


def hinge_discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """max(0, 1 - D(x)) + max(0, 1 + D(G(z))), D the logit (Lim and Ye 2017, arXiv:1705.02894).

    Args:
        real: Logits of real images, of any shape.
        fake: Logits of generated images.
    """
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def hinge_generator_loss(fake: Tensor) -> Tensor:
    """-D(G(z)), D the logit (Lim and Ye 2017)."""
    return -fake.mean()


def r1_penalty(discriminator: nn.Module, real: Tensor, label: Tensor) -> Tensor:
    """E ‖∇ D(x)‖² / 2 at real maps, D the logit (Mescheder et al. 2018, arXiv:1801.04406, eq. 9).

    The weight γ of the penalty is left to the caller.

    Args:
        discriminator: Maps and labels to logits.
        real: (B, C, S, S).
        label: (B,) int64.

    Returns:
        A number with a gradient with respect to the discriminator's weights.
    """
    real = real.detach().requires_grad_()
    logits = discriminator(real, label)
    (gradient,) = torch.autograd.grad(logits.sum(), real, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean() / 2
