"""Triton's side of `stylize`: requests in, responses out.

Requests wait in a queue of this model, see `request_queue`, and workers, threads of this process,
take one each. The code decodes the photograph, has the network paint it, and encodes the painting:
one model, and not an ensemble of three, so that a request whose caller has gone, or whose time is
over, costs no more than the step that it is in. What an ensemble has accepted runs through all its
steps.
"""

import json
import time
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt
import triton_python_backend_utils as pb_utils
from answers import Answers, SecondsLeft, check_caller
from called_network import Arrays, CalledNetwork
from common_options import OptionsError
from image_container import ImageError
from image_decoder import Limits, Photograph, decode
from image_encoder import QUALITIES, Defaults, EncodeError, encode
from model_metrics import PIXELS, STYLES, ModelMetrics
from pace import Pace
from photograph import resized, with_colours_of
from queued_model import QueuedModel
from request_options import Options, check_sides, read_options
from request_queue import TooLateError
from shared_memory import SharedMemoryError, check_room
from strength import StrengthError
from style_mix import StyleError, parse_mix
from style_names import parse_names
from whole_numbers import ABOVE_0, read_whole_numbers

_REFUSALS: dict[type[Exception], str] = {
    EncodeError: "encoding",
    ImageError: "image",
    OptionsError: "option",
    SharedMemoryError: "memory",
    StrengthError: "option",
    StyleError: "style",
}
"""What was wrong with a request that is refused."""


class TritonPythonModel:
    """`image` BYTES[1] and `style` BYTES[1] -> `stylized` UINT8[n], a file."""

    def initialize(self, args: dict[str, str]) -> None:
        """Reads the configuration; a missing or unusable parameter fails the load."""
        config, model = args["model_config"], args["model_name"]
        parameters = json.loads(config)["parameters"]
        limits = {field.name: ABOVE_0 for field in fields(Limits)}
        qualities = {field.name: QUALITIES for field in fields(Defaults)}
        try:
            self._limits = Limits(**read_whole_numbers(config, limits))
            self._defaults = Defaults(**read_whole_numbers(config, qualities))
            self._styles = parse_names(parameters.get("styles", {}).get("string_value", ""))
            self._network = CalledNetwork(pb_utils, args)
            self._metrics = ModelMetrics(pb_utils, model, set(_REFUSALS.values()))
            answers = Answers(pb_utils, model, self._metrics, _REFUSALS, self._answer)
            self._queued = QueuedModel.from_config(pb_utils, args, answers.answer, self._metrics)
        except ValueError as error:
            raise pb_utils.TritonModelException(str(error)) from error
        for style in self._styles:
            self._metrics.count(STYLES, 0, style=style)
        self._pace = Pace()

    def finalize(self) -> None:
        """Ends the workers, and sends the last counts."""
        self._queued.close()
        self._metrics.close()

    def execute(self, requests: list[Any]) -> list[Any]:
        """Queues the requests, which workers answer, or refuses them at once."""
        return [self._queued.take(request, len(_item(request, "image"))) for request in requests]

    def _answer(self, request: Any, seconds_left: SecondsLeft) -> list[Any]:
        """The painting as a file (1, n)."""
        # What cannot be done as asked must not cost the decoding first, and nothing the network.
        options = read_options(json.loads(request.parameters() or "{}"), self._limits.min_side)
        weights = parse_mix(_item(request, "style"), self._styles)
        for style, weight in zip(self._styles, weights, strict=True):
            if weight:
                self._metrics.count(STYLES, style=style)
        weights *= np.float32(options.strength)
        image = _item(request, "image")
        with self._metrics.step("decode"):
            photograph = decode(
                image,
                self._limits,
                longest_side=options.longest_side,
                keep_original=options.keep_colors,
            )
        format_name = options.format or photograph.format
        check_sides(format_name, photograph.width, photograph.height)
        both = 2 * photograph.pixels.nbytes
        check_room(len(image) + both, both)
        check_caller(request)
        pixels = photograph.pixels.shape[0] * photograph.pixels.shape[1]
        if not self._pace.is_enough(seconds_left(), pixels):
            raise TooLateError("the network would take longer than is left")
        self._metrics.count(PIXELS, pixels)
        inputs: Arrays = {"image": photograph.pixels[np.newaxis], "style": weights[np.newaxis]}
        start = time.perf_counter()
        with self._metrics.step("network"):
            outputs, version = self._network.run(
                request, options.network_version, inputs, ["stylized"]
            )
        self._pace.learn(pixels, time.perf_counter() - start)
        check_caller(request)
        with self._metrics.step("encode"):
            picture = _finished(outputs["stylized"][0], photograph, options)
            file = encode(picture, format_name, options.quality, self._defaults, photograph.profile)
        return [
            pb_utils.Tensor("stylized", np.frombuffer(file, np.uint8)[np.newaxis]),
            self._network.version_tensor(version, 1, 1),
        ]


def _finished(
    painting: npt.NDArray[np.uint8], photograph: Photograph, options: Options
) -> npt.NDArray[np.uint8]:
    if options.keep_colors:
        return with_colours_of(photograph.original, painting)
    return resized(painting, photograph.height, photograph.width)


def _item(request: Any, name: str) -> bytes:
    value: bytes = pb_utils.get_input_tensor_by_name(request, name).as_numpy().item()
    return value
