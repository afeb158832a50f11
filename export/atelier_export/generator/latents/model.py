"""Triton's side of `latents`: requests in, responses out."""

import json
import secrets
import time
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from generate_options import OptionsError, check_no_seed, check_seed, read_options
from latents_settings import read_settings
from model_metrics import MOVEMENTS, ModelMetrics
from movement_names import MovementError, find_movement
from own_latents import LatentError, check_latents
from seeded_latents import seeded_latent, seeded_movement

_REFUSALS: dict[type[Exception], str] = {
    LatentError: "latent",
    MovementError: "movement",
    OptionsError: "option",
}
"""What was wrong with a request that is refused."""


class TritonPythonModel:
    """`seed` or `latent`, and `movement` -> what `generator` and `encode` need for n images."""

    def initialize(self, args: dict[str, str]) -> None:
        """Reads the configuration; a missing or unusable parameter fails the load."""
        try:
            self._settings = read_settings(json.loads(args["model_config"])["parameters"])
        except ValueError as error:
            raise pb_utils.TritonModelException(str(error)) from error
        self._metrics = ModelMetrics(pb_utils, args["model_name"], _REFUSALS.values())
        for movement in self._settings.movements:
            self._metrics.count(MOVEMENTS, 0, movement=movement)

    def finalize(self) -> None:
        """Sends the last counts."""
        self._metrics.close()

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answers each request by itself: one that fails leaves the others alone."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        start = time.perf_counter()
        try:
            outputs = self._outputs(request)
        except tuple(_REFUSALS) as error:
            self._metrics.refused(_REFUSALS[type(error)])
            return _failure(str(error), pb_utils.TritonError.INVALID_ARG)
        except Exception as error:
            self._metrics.ended("failed")
            pb_utils.Logger.log_error(f"[request id: {request.request_id()}] latents: {error!r}")
            return _failure(f"latents failed: {error!r}", pb_utils.TritonError.INTERNAL)
        self._metrics.served(time.perf_counter() - start)
        return pb_utils.InferenceResponse(outputs)

    def _outputs(self, request: Any) -> list[Any]:
        settings = self._settings
        parameters = json.loads(request.parameters() or "{}")
        options = read_options(parameters, settings)
        name, seed = (_item(request, each) for each in ("movement", "seed"))
        movement = find_movement(name or b"", settings.movements)
        own = pb_utils.get_input_tensor_by_name(request, "latent")

        if own is not None:
            check_no_seed(seed, parameters)
            latents = own.as_numpy()
            check_latents(latents, settings.latent_length, settings.max_count)
            if movement is None:
                raise MovementError(
                    "latents of one's own need a movement: send one of "
                    f"{', '.join(settings.movements)}"
                )
            movements = [movement] * len(latents)
        else:
            seed = secrets.randbits(63) if seed is None else check_seed(seed)
            images = range(options.first, options.first + options.count)
            latents = np.stack(
                [
                    seeded_latent(seed, image, settings.latent_length, options.truncation)
                    for image in images
                ]
            )
            movements = [
                seeded_movement(seed, image, len(settings.movements))
                if movement is None
                else movement
                for image in images
            ]

        for number in movements:
            self._metrics.count(MOVEMENTS, movement=settings.movements[number])
        count, letters = len(latents), options.format.encode()
        return [
            pb_utils.Tensor("latents", latents),
            pb_utils.Tensor("movements", np.array(movements, np.int64)[:, np.newaxis]),
            pb_utils.Tensor("format", np.tile(np.frombuffer(letters, np.uint8), (count, 1))),
            pb_utils.Tensor("quality", np.full((count, 1), options.quality, np.int32)),
        ]


def _item(request: Any, name: str) -> Any:
    """The only value of an input, or None where the request does not have it."""
    tensor = pb_utils.get_input_tensor_by_name(request, name)
    return None if tensor is None else tensor.as_numpy().item()


def _failure(message: str, code: int) -> Any:
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(message, code))
