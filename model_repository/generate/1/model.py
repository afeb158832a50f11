"""Triton's side of `generate`: requests in, responses out.

Requests wait in a queue of this model, see `request_queue`, and workers, threads of this process,
take one each: draw its latents, have the network paint them, and encode the images.
"""

import json
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt
import triton_python_backend_utils as pb_utils
from answers import Answers, SecondsLeft, check_caller
from called_network import Arrays, CalledNetwork
from common_options import (
    DEFAULT_QUALITY,
    OF_EVERY_REQUEST,
    OptionsError,
    check_names,
    read_format,
    read_of_every_request,
    read_quality,
)
from drawn_latents import draw
from image_encoder import QUALITIES, Defaults, EncodeError, encode
from latents_options import OF_SEEDS
from latents_settings import read_settings
from model_metrics import MOVEMENTS, ModelMetrics
from movement_names import MovementError
from own_latents import LatentError
from queued_model import QueuedModel
from whole_numbers import read_whole_numbers

_OPTIONS = (*OF_SEEDS, "format", "quality", *OF_EVERY_REQUEST)
_REFUSALS: dict[type[Exception], str] = {
    EncodeError: "encoding",
    LatentError: "latent",
    MovementError: "movement",
    OptionsError: "option",
}
"""What was wrong with a request that is refused."""


class TritonPythonModel:
    """`seed` or `latent`, and `movement` -> n files."""

    def initialize(self, args: dict[str, str]) -> None:
        """Reads the configuration; a missing or unusable parameter fails the load."""
        config, model = args["model_config"], args["model_name"]
        parameters = json.loads(config)["parameters"]
        qualities = {field.name: QUALITIES for field in fields(Defaults)}
        try:
            self._settings = read_settings(parameters)
            self._defaults = Defaults(**read_whole_numbers(config, qualities))
            self._network = CalledNetwork(pb_utils, args)
            self._metrics = ModelMetrics(pb_utils, model, set(_REFUSALS.values()))
            answers = Answers(pb_utils, model, self._metrics, _REFUSALS, self._answer)
            self._queued = QueuedModel.from_config(pb_utils, args, answers.answer, self._metrics)
        except ValueError as error:
            raise pb_utils.TritonModelException(str(error)) from error
        for movement in self._settings.movements:
            self._metrics.count(MOVEMENTS, 0, movement=movement)

    def finalize(self) -> None:
        """Ends the workers, and sends the last counts."""
        self._queued.close()
        self._metrics.close()

    def execute(self, requests: list[Any]) -> list[Any]:
        """Queues the requests, which workers answer, or refuses them at once."""
        return [self._queued.take(request, _size(request)) for request in requests]

    def _answer(self, request: Any, _: SecondsLeft) -> list[Any]:
        parameters = json.loads(request.parameters() or "{}")
        check_names(parameters, _OPTIONS)
        wanted = read_of_every_request(parameters)
        format_name = read_format(parameters.get("format", "png"))
        quality = parameters.get("quality")
        quality = DEFAULT_QUALITY if quality is None else read_quality(quality)
        latents, movements = draw(pb_utils, request, parameters, self._settings)
        for number in movements:
            self._metrics.count(MOVEMENTS, movement=self._settings.movements[number])
        inputs: Arrays = {
            "latent": latents,
            "movement": np.array(movements, np.int64)[:, np.newaxis],
        }
        check_caller(request)
        with self._metrics.step("network"):
            found, version = self._network.run(request, wanted, inputs, ["image"])
        check_caller(request)
        with self._metrics.step("encode"):
            files = [
                encode(image, format_name, quality, self._defaults) for image in found["image"]
            ]
        lengths = np.array([[len(file)] for file in files], np.int32)
        return [
            pb_utils.Tensor("images", _filled_up(files)),
            pb_utils.Tensor("lengths", lengths),
            self._network.version_tensor(version, 1),
        ]


def _filled_up(files: list[bytes]) -> npt.NDArray[np.uint8]:
    """The files as rows, with zeros to the length of the longest."""
    length = max(map(len, files))
    rows = b"".join(file.ljust(length, b"\0") for file in files)
    return np.frombuffer(rows, np.uint8).reshape(len(files), length)


def _size(request: Any) -> int:
    """What the request holds in memory, in bytes; only latents of its own are large."""
    own = pb_utils.get_input_tensor_by_name(request, "latent")
    return 0 if own is None else own.as_numpy().nbytes
