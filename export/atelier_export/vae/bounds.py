"""Lower bounds of the log-likelihood of images under a latent-variable model, in nats.

With the prior p(z) = N(0, I), the likelihood p(x|z) and the posterior q(z|x):

    ELBO = E_q[log p(x|z)] - KL(q(z|x) || p(z)) <= log p(x)

(Kingma and Welling 2014, arXiv:1312.6114, eq. 3), and, with K samples, the tighter

    L_K = E_q[log 1/K sum_k w_k],  w_k = p(x|z_k) p(z_k) / q(z_k|x),  L_1 = ELBO

(Burda et al. 2016, arXiv:1509.00519, eq. 8).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class LatentVariableModel(Protocol):
    """What the bounds are computed of, such as a `network.VAE`."""

    @property
    def encoder(self) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
        """From images (B, …) to mean and log-variance of q(z|x), (B, L) each."""

    @property
    def decoder(self) -> Callable[[Tensor], Tensor]:
        """From latents (B, L) to locations (B, …)."""

    @property
    def likelihood(self) -> Callable[[Tensor, Tensor], Tensor]:
        """From locations and images to log p(x|z), (B,) in nats."""


def sample_posterior(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """A sample mean + deviation · noise (Kingma and Welling 2014, section 2.4).

    Args:
        mean: (…, L).
        log_variance: (…, L).
        noise: (…, L), standard normal.

    Returns:
        (…, L).
    """
    return mean + (log_variance / 2).exp() * noise


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, variance) || N(0, I)) (Kingma and Welling 2014, appendix B).

    Args:
        mean: (B, L).
        log_variance: (B, L).

    Returns:
        (B,) in nats.
    """
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1)


def gaussian_log_density(x: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """The density log N(x; mean, variance) with a diagonal covariance, summed over the last axis.

    Args:
        x: (…, L).
        mean: (…, L).
        log_variance: (…, L).
    """
    squared = (x - mean).square() * (-log_variance).exp()
    return -0.5 * (squared + log_variance + math.log(2 * math.pi)).sum(dim=-1)


def log_importance_weights(model: LatentVariableModel, image: Tensor, noise: Tensor) -> Tensor:
    """The weights log w = log p(x|z) + log p(z) - log q(z|x) of samples of the posterior.

    Args:
        model: The model.
        image: (B, …).
        noise: (K, B, L), standard normal.

    Returns:
        (K, B) in nats.
    """
    mean, log_variance = model.encoder(image)  # (B, L) each
    latent = sample_posterior(mean, log_variance, noise)  # (K, B, L)
    zero = torch.zeros((), device=image.device)
    prior = gaussian_log_density(latent, zero, zero)  # (K, B)
    posterior = gaussian_log_density(latent, mean, log_variance)  # (K, B)
    # One sample at a time: a decoder's activations take much memory.
    likelihood = torch.stack([model.likelihood(model.decoder(each), image) for each in latent])
    return likelihood + prior - posterior


def importance_weighted_bound(log_weights: Tensor) -> Tensor:
    """L_K = log 1/K sum_k w_k (Burda et al. 2016, eq. 8), from log w (K, B): (B,) in nats."""
    return torch.logsumexp(log_weights, dim=0) - math.log(len(log_weights))


def bits_per_dimension(nats: Tensor, dimensions: int) -> Tensor:
    """Bits that a code takes for each of an image's values, from its negative log-likelihood."""
    return nats / dimensions / math.log(2)


@dataclass(frozen=True)
class Bounds:
    """Bounds of images, (n,) each, in nats.

    Attributes:
        reconstruction: log p(x|z) of one sample of the posterior.
        kl: KL(q(z|x) || p(z)).
        importance_weighted: L_K.
    """

    reconstruction: Tensor
    kl: Tensor
    importance_weighted: Tensor

    @property
    def elbo(self) -> Tensor:
        """Reconstruction without the KL divergence."""
        return self.reconstruction - self.kl


@torch.no_grad()
def measure_bounds(
    model: LatentVariableModel, images: Tensor, samples: int, seed: int = 0, batch: int = 100
) -> Bounds:
    """The bounds of many images.

    Args:
        model: The model.
        images: (n, …), as the encoder and the likelihood take them, on the model's device.
        samples: Number K of samples for the importance-weighted bound.
        seed: Seed of the samples.
        batch: Images at a time.
    """
    random = torch.Generator().manual_seed(seed)
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for image in torch.split(images, batch):
        mean, log_variance = model.encoder(image)  # (B, L) each
        noise = torch.randn(samples, *mean.shape, generator=random).to(mean.device)  # (K, B, L)
        latent = sample_posterior(mean, log_variance, noise[0])  # (B, L)
        weights = log_importance_weights(model, image, noise)  # (K, B)
        found.append(
            (
                model.likelihood(model.decoder(latent), image),
                kl_divergence(mean, log_variance),
                importance_weighted_bound(weights),
            )
        )
    return Bounds(*(torch.cat(each) for each in zip(*found, strict=True)))
