"""Triton's side of `latents`: requests in, responses out."""

import json
import math
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from answers import Answers, SecondsLeft
from common_options import OptionsError, check_names
from drawn_latents import draw
from latents_options import OF_SEEDS
from latents_settings import read_settings
from model_metrics import MOVEMENTS, ModelMetrics
from movement_names import MovementError
from own_latents import LatentError

_REFUSALS: dict[type[Exception], str] = {
    LatentError: "latent",
    MovementError: "movement",
    OptionsError: "option",
}
"""What was wrong with a request that is refused."""


class TritonPythonModel:
    """`seed` or `latent`, and `movement` -> what `generator` takes for n images."""

    def initialize(self, args: dict[str, str]) -> None:
        """Reads the configuration; a missing or unusable parameter fails the load."""
        model = args["model_name"]
        try:
            self._settings = read_settings(json.loads(args["model_config"])["parameters"])
        except ValueError as error:
            raise pb_utils.TritonModelException(str(error)) from error
        self._metrics = ModelMetrics(pb_utils, model, _REFUSALS.values())
        for movement in self._settings.movements:
            self._metrics.count(MOVEMENTS, 0, movement=movement)
        self._answers = Answers(pb_utils, model, self._metrics, _REFUSALS, self._answer)

    def finalize(self) -> None:
        """Sends the last counts."""
        self._metrics.close()

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answers each request by itself: one that fails leaves the others alone."""
        return [self._answers.answer(request, lambda: math.inf) for request in requests]

    def _answer(self, request: Any, _: SecondsLeft) -> list[Any]:
        parameters = json.loads(request.parameters() or "{}")
        check_names(parameters, OF_SEEDS)
        latents, movements = draw(pb_utils, request, parameters, self._settings)
        for number in movements:
            self._metrics.count(MOVEMENTS, movement=self._settings.movements[number])
        return [
            pb_utils.Tensor("latents", latents),
            pb_utils.Tensor("movements", np.array(movements, np.int64)[:, np.newaxis]),
        ]
