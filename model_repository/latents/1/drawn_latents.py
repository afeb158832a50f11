"""The latents and movements that a request means, by a seed or its own."""

import secrets
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from latents_options import check_no_seed, check_seed, read_options
from latents_settings import Settings
from movement_names import MovementError, find_movement
from own_latents import check_latents
from seeded_latents import seeded_latent, seeded_movement


def draw(
    utils: Any, request: Any, parameters: Mapping[str, object], settings: Settings
) -> tuple[npt.NDArray[np.float32], list[int]]:
    """Draws the latents of a request's `seed`, or takes its own, `latent`.

    Without both, a seed is drawn. Without a `movement`, the seed draws one for each image.

    Args:
        utils: The module `triton_python_backend_utils`.
        request: Triton's.
        parameters: The request's.
        settings: Defaults and limits.

    Returns:
        Latents (n, Z), and the number of the movement of each.

    Raises:
        LatentError, MovementError, OptionsError: The request is wrong.
    """
    tensors = {
        name: utils.get_input_tensor_by_name(request, name)
        for name in ("seed", "movement", "latent")
    }
    seed, name, own = (None if each is None else each.as_numpy() for each in tensors.values())
    options = read_options(parameters, settings)
    movement = find_movement(b"" if name is None else name.item(), settings.movements)
    if own is not None:
        check_no_seed(seed is not None, parameters)
        check_latents(own, settings.latent_length, settings.max_count)
        if movement is None:
            raise MovementError(
                f"latents of one's own need a movement: send one of {', '.join(settings.movements)}"
            )
        return own, [movement] * len(own)

    number = secrets.randbits(63) if seed is None else check_seed(seed.item())
    images = range(options.first, options.first + options.count)
    length, kinds = settings.latent_length, len(settings.movements)
    latents = [seeded_latent(number, image, length, options.truncation) for image in images]
    movements = [
        seeded_movement(number, image, kinds) if movement is None else movement for image in images
    ]
    return np.stack(latents), movements
