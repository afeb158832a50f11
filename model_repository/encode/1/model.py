"""Triton's side of `encode`: requests in, responses out."""

import time
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt
import triton_python_backend_utils as pb_utils
from image_encoder import QUALITIES, Defaults, EncodeError, encode
from model_metrics import ModelMetrics
from whole_numbers import ABOVE_0, read_whole_numbers

_INPUTS = ("pixels", "format", "quality")


class TritonPythonModel:
    """`pixels` UINT8[h, w, 3] -> `encoded` UINT8[n] each."""

    def initialize(self, args: dict[str, str]) -> None:
        """Reads the defaults from the configuration; a missing or unusable one fails the load."""
        allowed = {field.name: QUALITIES for field in fields(Defaults)} | {"max_pixels": ABOVE_0}
        try:
            settings = read_whole_numbers(args["model_config"], allowed)
        except ValueError as error:
            raise pb_utils.TritonModelException(str(error)) from error
        self._max_pixels = settings.pop("max_pixels")
        self._defaults = Defaults(**settings)
        self._metrics = ModelMetrics(pb_utils, args["model_name"], ["encoding"])

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
        try:
            batch = zip(*(_array(request, name) for name in _INPUTS), strict=True)
            with self._metrics.step("encode"):
                files = [self._file(*image) for image in batch]
        except EncodeError as error:
            self._metrics.refused("encoding")
            return _failure(str(error), pb_utils.TritonError.INVALID_ARG)
        except Exception as error:
            self._metrics.ended("failed")
            pb_utils.Logger.log_error(f"[request id: {request.request_id()}] encode: {error!r}")
            return _failure(f"encode failed: {error!r}", pb_utils.TritonError.INTERNAL)
        self._metrics.served(time.perf_counter() - start)
        lengths = np.array([[len(file)] for file in files], np.int32)
        return pb_utils.InferenceResponse(
            [
                pb_utils.Tensor("encoded", _filled_up(files)),
                pb_utils.Tensor("length", lengths),
            ]
        )

    def _file(
        self,
        pixels: npt.NDArray[np.uint8],
        format_name: npt.NDArray[np.uint8],
        quality: npt.NDArray[np.int32],
    ) -> bytes:
        """One image of a batch, encoded; takes its rows of the tensors."""
        height, width, _ = pixels.shape
        if not 1 <= height * width <= self._max_pixels:
            raise EncodeError(
                f"pixels has {height} x {width} pixels (height x width), not 1 to "
                f"{self._max_pixels}: raise parameter 'max_pixels' of the model 'encode' for more"
            )
        name = format_name.tobytes().decode(errors="replace")
        return encode(pixels, name, quality.item(), self._defaults)


def _filled_up(files: list[bytes]) -> npt.NDArray[np.uint8]:
    """The files as rows, with zeros to the length of the longest."""
    length = max(map(len, files))
    rows = b"".join(file.ljust(length, b"\0") for file in files)
    return np.frombuffer(rows, np.uint8).reshape(len(files), length)


def _array(request: Any, name: str) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = pb_utils.get_input_tensor_by_name(request, name).as_numpy()
    return array


def _failure(message: str, code: int) -> Any:
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(message, code))
