"""Latents that a client sends."""

import numpy as np
import numpy.typing as npt


class LatentError(ValueError):
    """The latents are none that the generator takes; the message says why and what to do."""


def check_latents(latents: npt.NDArray[np.float32], length: int, max_count: int) -> None:
    """Checks what the generator, a graph, cannot refuse.

    Args:
        latents: FP32 (n, Z).
        length: Z.
        max_count: The largest n.

    Raises:
        LatentError: There are none or too many, they have another length, or a value of one is
            not finite.
    """
    count, found = latents.shape
    if not 1 <= count <= max_count:
        raise LatentError(
            f"latent has {count} latents: send 1 to {max_count}; more are several requests"
        )
    if found != length:
        raise LatentError(f"latent has {found} values for each image: send {length}")
    for image, place in np.argwhere(~np.isfinite(latents)):
        raise LatentError(
            f"value {place} of latent {image}, both from 0, is {latents[image, place]}: "
            "send finite values"
        )
