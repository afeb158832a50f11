"""Triton's side of `classify`: requests in, responses out.

Requests wait in a queue of this model, see `request_queue`, and workers, threads of this process,
take one each: decode the image, and have the network classify it.
"""

import json
from dataclasses import fields
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from answers import Answers, SecondsLeft, check_caller
from called_network import Arrays, CalledNetwork
from common_options import OF_EVERY_REQUEST, OptionsError, check_names, read_of_every_request
from image_container import ImageError
from image_decoder import Limits, decode
from model_metrics import PIXELS, ModelMetrics
from queued_model import QueuedModel
from shared_memory import SharedMemoryError, check_room
from whole_numbers import ABOVE_0, read_whole_numbers

_REFUSALS: dict[type[Exception], str] = {
    ImageError: "image",
    OptionsError: "option",
    SharedMemoryError: "memory",
}
"""What was wrong with a request that is refused."""
_OUTPUTS = ("probabilities", "era_probabilities")


class TritonPythonModel:
    """`image` BYTES[1] -> `probabilities` FP32[K] of the movements, `era_probabilities` FP32[G]."""

    def initialize(self, args: dict[str, str]) -> None:
        """Reads the configuration; a missing or unusable parameter fails the load."""
        config, model = args["model_config"], args["model_name"]
        limits = {field.name: ABOVE_0 for field in fields(Limits)}
        try:
            self._limits = Limits(**read_whole_numbers(config, limits))
            self._network = CalledNetwork(pb_utils, args)
            self._metrics = ModelMetrics(pb_utils, model, _REFUSALS.values())
            answers = Answers(pb_utils, model, self._metrics, _REFUSALS, self._answer)
            self._queued = QueuedModel.from_config(pb_utils, args, answers.answer, self._metrics)
        except ValueError as error:
            raise pb_utils.TritonModelException(str(error)) from error

    def finalize(self) -> None:
        """Ends the workers, and sends the last counts."""
        self._queued.close()
        self._metrics.close()

    def execute(self, requests: list[Any]) -> list[Any]:
        """Queues the requests, which workers answer, or refuses them at once."""
        return [self._queued.take(request, len(_image(request))) for request in requests]

    def _answer(self, request: Any, _: SecondsLeft) -> list[Any]:
        parameters = json.loads(request.parameters() or "{}")
        check_names(parameters, OF_EVERY_REQUEST)
        wanted = read_of_every_request(parameters)
        image = _image(request)
        with self._metrics.step("decode"):
            pixels = decode(image, self._limits).pixels
        check_room(len(image) + pixels.nbytes, pixels.nbytes)
        check_caller(request)
        self._metrics.count(PIXELS, pixels.shape[0] * pixels.shape[1])
        with self._metrics.step("network"):
            inputs: Arrays = {"image": pixels[np.newaxis]}
            found, version = self._network.run(request, wanted, inputs, _OUTPUTS)
        return [
            *(pb_utils.Tensor(name, found[name]) for name in _OUTPUTS),
            self._network.version_tensor(version, 1, 1),
        ]


def _image(request: Any) -> bytes:
    file: bytes = pb_utils.get_input_tensor_by_name(request, "image").as_numpy().item()
    return file
