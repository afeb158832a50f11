"""Triton's side of `style_weights`: requests in, responses out."""

import json
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from strength import StrengthError, read_strength
from style_mix import StyleError, parse_mix
from style_names import parse_names


class TritonPythonModel:
    """`style` BYTES[1], a name or a mix -> `weights` FP32[S]; their sum is the strength."""

    def initialize(self, args: dict[str, str]) -> None:
        """Learns the names of the styles; fails the load where there are none."""
        parameters = json.loads(args["model_config"])["parameters"]
        if "styles" not in parameters:
            raise pb_utils.TritonModelException(
                "config.pbtxt has no parameter 'styles': set it to the names of the styles, "
                "comma-separated, in the order of the network's weights"
            )
        try:
            self._styles = parse_names(parameters["styles"]["string_value"])
        except ValueError as error:
            raise pb_utils.TritonModelException(str(error)) from error

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answers each request by itself: one that fails leaves the others alone."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        try:
            strength = read_strength(json.loads(request.parameters() or "{}"))
            style = pb_utils.get_input_tensor_by_name(request, "style").as_numpy()
            weights = parse_mix(style.item(), self._styles) * np.float32(strength)
        except (StrengthError, StyleError) as error:
            return _failure(str(error), pb_utils.TritonError.INVALID_ARG)
        except Exception as error:
            pb_utils.Logger.log_error(f"style_weights: {error!r}")
            return _failure(f"style_weights failed: {error!r}", pb_utils.TritonError.INTERNAL)
        return pb_utils.InferenceResponse([pb_utils.Tensor("weights", weights[np.newaxis])])


def _failure(message: str, code: int) -> Any:
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(message, code))
