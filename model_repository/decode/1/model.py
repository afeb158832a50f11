"""Triton's side of `decode`: requests in, responses out."""

import json
import time
from dataclasses import fields
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from image_container import ImageError
from image_decoder import Limits, decode
from model_metrics import PIXELS, ModelMetrics
from shared_memory import SharedMemoryError, check_room
from whole_numbers import ABOVE_0, read_whole_numbers

_REFUSALS: dict[type[Exception], str] = {ImageError: "image", SharedMemoryError: "memory"}


class TritonPythonModel:
    """`image` BYTES[1] -> `pixels` UINT8[h, w, 3]."""

    def initialize(self, args: dict[str, str]) -> None:
        """Reads the limits from the configuration; a missing or unusable one fails the load."""
        allowed = {field.name: ABOVE_0 for field in fields(Limits)}
        try:
            self._limits = Limits(**read_whole_numbers(args["model_config"], allowed))
        except ValueError as error:
            raise pb_utils.TritonModelException(str(error)) from error
        self._metrics = ModelMetrics(pb_utils, args["model_name"], {"option", *_REFUSALS.values()})

    def finalize(self) -> None:
        """Sends the last counts."""
        self._metrics.close()

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answers each request by itself: one that fails leaves the others alone."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        start = time.perf_counter()
        if request.is_cancelled():
            self._metrics.ended("abandoned")
            return _failure("nobody waits for the answer", pb_utils.TritonError.CANCELLED)
        for name in json.loads(request.parameters() or "{}"):
            self._metrics.refused("option")
            return _failure(
                f"{name!r:.60} is not an option of this model: leave it out",
                pb_utils.TritonError.INVALID_ARG,
            )
        try:
            image = pb_utils.get_input_tensor_by_name(request, "image").as_numpy().item()
            with self._metrics.step("decode"):
                pixels = decode(image, self._limits).pixels
            check_room(len(image) + pixels.nbytes, pixels.nbytes)
        except tuple(_REFUSALS) as error:
            self._metrics.refused(_REFUSALS[type(error)])
            return _failure(str(error), pb_utils.TritonError.INVALID_ARG)
        except Exception as error:
            self._metrics.ended("failed")
            pb_utils.Logger.log_error(f"[request id: {request.request_id()}] decode: {error!r}")
            return _failure(f"decode failed: {error!r}", pb_utils.TritonError.INTERNAL)
        self._metrics.count(PIXELS, pixels.shape[0] * pixels.shape[1])
        self._metrics.served(time.perf_counter() - start)
        return pb_utils.InferenceResponse([pb_utils.Tensor("pixels", pixels[np.newaxis])])


def _failure(message: str, code: int) -> Any:
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(message, code))
