"""The space that is searched: the shell on which nearly all latents of the prior lie."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Latents: TypeAlias = npt.NDArray[np.float32]
"""(n, Z)."""
Numbers: TypeAlias = npt.NDArray[np.float64]


def on_shell(latents: Latents | Numbers) -> Latents:
    """Latents scaled to the length sqrt(Z).

    A standard normal vector of Z numbers has the length sqrt(Z) ± 0.7, so the generator has seen
    no other: with Z = 128, 11.3 ± 0.7. It does not normalise its latent, and an optimizer without
    this would leave for lengths at which it was never trained.
    """
    length = np.linalg.norm(latents, axis=1, keepdims=True)
    return np.asarray(latents * (np.sqrt(latents.shape[1]) / length), np.float32)


def perturbed(latents: Latents | Numbers, step: float, generator: np.random.Generator) -> Latents:
    """Neighbours of latents: sqrt(1 - step²) · latent + step · noise, on the shell.

    The move of preconditioned Crank-Nicolson (Cotter et al. 2013, section 4.2): a latent of the
    prior stays one of the prior.

    Args:
        latents: (n, Z).
        step: 0 stays where it is, 1 draws anew.
        generator: Draws the noise.
    """
    noise = generator.standard_normal(latents.shape)
    return on_shell(np.sqrt(1 - step**2) * latents + step * noise)
