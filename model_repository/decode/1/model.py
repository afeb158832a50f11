"""Triton's side of `decode`: requests in, responses out."""

import json
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt
import triton_python_backend_utils as pb_utils
from image_container import ImageError
from image_decoder import Limits, decode
from request_options import Options, OptionsError, check_no_options, check_sides, read_options
from shared_memory import SharedMemoryError, check_room


class TritonPythonModel:
    """`image` BYTES[1] -> `pixels` UINT8[h, w, 3] and what `encode` needs beside the painting."""

    def initialize(self, args: dict[str, str]) -> None:
        """Reads the limits from the configuration; a missing or unusable one fails the load."""
        parameters = json.loads(args["model_config"])["parameters"]
        limits = {}
        for name in (field.name for field in fields(Limits)):
            text = parameters.get(name, {}).get("string_value", "")
            if not text.isascii() or not text.isdecimal() or int(text) == 0:
                raise pb_utils.TritonModelException(
                    f"parameter '{name}' in config.pbtxt must be a whole number above 0, "
                    f"not '{text}'"
                )
            limits[name] = int(text)
        self._limits = Limits(**limits)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answers each request by itself: one that fails leaves the others alone."""
        return [self._answer(request) for request in requests]

    def _options(self, request: Any) -> Options:
        parameters = json.loads(request.parameters() or "{}")
        # An ensemble takes from its steps what it connects, so this tells what the pixels are for.
        if request.requested_output_names() == {"pixels"}:
            check_no_options(parameters)
            return Options()
        return read_options(parameters, self._limits.min_side)

    def _answer(self, request: Any) -> Any:
        try:
            options = self._options(request)
            image = pb_utils.get_input_tensor_by_name(request, "image").as_numpy()
            photograph = decode(
                image.item(),
                self._limits,
                longest_side=options.longest_side,
                keep_original=options.keep_colors,
            )
            format_name = options.format or photograph.format
            check_sides(format_name, photograph.width, photograph.height)
            check_room(
                len(image.item()),
                photograph.pixels.nbytes,
                photograph.original.nbytes,
                painted=request.requested_output_names() != {"pixels"},
            )
        except (ImageError, OptionsError, SharedMemoryError) as error:
            return _failure(str(error), pb_utils.TritonError.INVALID_ARG)
        except Exception as error:
            pb_utils.Logger.log_error(f"decode: {error!r}")
            return _failure(f"decode failed: {error!r}", pb_utils.TritonError.INTERNAL)
        size = photograph.height, photograph.width
        return pb_utils.InferenceResponse(
            [
                pb_utils.Tensor("pixels", photograph.pixels[np.newaxis]),
                pb_utils.Tensor("original", photograph.original[np.newaxis]),
                pb_utils.Tensor("size", np.array([size], dtype=np.int32)),
                pb_utils.Tensor("profile", _text(photograph.profile)),
                pb_utils.Tensor("format", _text(format_name.encode())),
                pb_utils.Tensor("quality", np.array([[options.quality]], dtype=np.int32)),
            ]
        )


def _text(value: bytes) -> npt.NDArray[np.object_]:
    return np.array([[value]], dtype=np.object_)


def _failure(message: str, code: int) -> Any:
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(message, code))
