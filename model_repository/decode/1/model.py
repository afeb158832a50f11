"""Triton's side of `decode`: requests in, responses out."""

import json
from dataclasses import fields

import numpy as np
import triton_python_backend_utils as pb_utils
from answer_options import OptionsError, check_sides, read_options
from image_container import ImageError
from image_decoder import Limits, decode


class TritonPythonModel:
    """`image` BYTES[1] -> `pixels` UINT8[H, W, 3], `format` BYTES[1] and `quality` INT32[1]."""

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

    def execute(self, requests: list) -> list:
        """Answers each request by itself: one that fails leaves the others alone."""
        return [self._answer(request) for request in requests]

    def _answer(self, request):
        try:
            asked, quality = read_options(json.loads(request.parameters() or "{}"))
            image = pb_utils.get_input_tensor_by_name(request, "image").as_numpy()
            pixels, source = decode(image.item(), self._limits)
            format_name = asked or source
            height, width = pixels.shape[:2]
            check_sides(format_name, width, height)
        except (ImageError, OptionsError) as error:
            return _failure(str(error), pb_utils.TritonError.INVALID_ARG)
        except Exception as error:
            pb_utils.Logger.log_error(f"decode: {error!r}")
            return _failure(f"decode failed: {error!r}", pb_utils.TritonError.INTERNAL)
        return pb_utils.InferenceResponse(
            [
                pb_utils.Tensor("pixels", pixels[np.newaxis]),
                pb_utils.Tensor("format", np.array([[format_name.encode()]], dtype=np.object_)),
                pb_utils.Tensor("quality", np.array([[quality]], dtype=np.int32)),
            ]
        )


def _failure(message: str, code: int):
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(message, code))
