"""Triton's side of `encode`: requests in, responses out."""

import json

import numpy as np
import triton_python_backend_utils as pb_utils
from image_encoder import Defaults, EncodeError, encode

_RANGES = {"jpeg_quality": (1, 100), "webp_quality": (1, 100), "png_compress_level": (0, 9)}


class TritonPythonModel:
    """`pixels` UINT8[H, W, 3], `format` BYTES[1] and `quality` INT32[1] -> `encoded` BYTES[1]."""

    def initialize(self, args: dict[str, str]) -> None:
        """Reads the defaults from the configuration; a missing or unusable one fails the load."""
        parameters = json.loads(args["model_config"])["parameters"]
        defaults = {}
        for name, (low, high) in _RANGES.items():
            text = parameters.get(name, {}).get("string_value", "")
            if not (text.isascii() and text.isdecimal() and low <= int(text) <= high):
                raise pb_utils.TritonModelException(
                    f"parameter '{name}' in config.pbtxt must be a whole number from {low} to "
                    f"{high}, not '{text}'"
                )
            defaults[name] = int(text)
        self._defaults = Defaults(**defaults)

    def execute(self, requests: list) -> list:
        """Answers each request by itself: one that fails leaves the others alone."""
        return [self._answer(request) for request in requests]

    def _answer(self, request):
        try:
            pixels = pb_utils.get_input_tensor_by_name(request, "pixels").as_numpy()[0]
            format_name = pb_utils.get_input_tensor_by_name(request, "format").as_numpy().item()
            quality = pb_utils.get_input_tensor_by_name(request, "quality").as_numpy().item()
            encoded = encode(pixels, format_name.decode(errors="replace"), quality, self._defaults)
        except EncodeError as error:
            return _failure(str(error), pb_utils.TritonError.INVALID_ARG)
        except Exception as error:
            pb_utils.Logger.log_error(f"encode: {error!r}")
            return _failure(f"encode failed: {error!r}", pb_utils.TritonError.INTERNAL)
        return pb_utils.InferenceResponse(
            [pb_utils.Tensor("encoded", np.array([[encoded]], dtype=np.object_))]
        )


def _failure(message: str, code: int):
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(message, code))
