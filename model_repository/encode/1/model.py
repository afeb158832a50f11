"""Triton's side of `encode`: requests in, responses out."""

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import triton_python_backend_utils as pb_utils
from image_encoder import Defaults, EncodeError, encode

_RANGES = {"jpeg_quality": (1, 100), "webp_quality": (1, 100), "max_pixels": (1, 2**31 - 1)}
_INPUTS = ("pixels", "format", "quality")


class TritonPythonModel:
    """`pixels` UINT8[h, w, 3] -> `encoded` UINT8[n] each."""

    def initialize(self, args: dict[str, str]) -> None:
        """Reads the defaults from the configuration; a missing or unusable one fails the load."""
        parameters = json.loads(args["model_config"])["parameters"]
        settings = {}
        for name, (low, high) in _RANGES.items():
            text = parameters.get(name, {}).get("string_value", "")
            if not (text.isascii() and text.isdecimal() and low <= int(text) <= high):
                raise pb_utils.TritonModelException(
                    f"parameter '{name}' in config.pbtxt must be a whole number from {low} to "
                    f"{high}, not '{text}'"
                )
            settings[name] = int(text)
        self._max_pixels = settings.pop("max_pixels")
        self._defaults = Defaults(**settings)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answers each request by itself: one that fails leaves the others alone."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        if request.is_cancelled():
            return _failure("nobody waits for the answer", pb_utils.TritonError.CANCELLED)
        try:
            batch = zip(*(_array(request, name) for name in _INPUTS), strict=True)
            files = [self._file(*image) for image in batch]
        except EncodeError as error:
            return _failure(str(error), pb_utils.TritonError.INVALID_ARG)
        except Exception as error:
            pb_utils.Logger.log_error(f"encode: {error!r}")
            return _failure(f"encode failed: {error!r}", pb_utils.TritonError.INTERNAL)
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
