"""Triton's side of `stylize`: requests in, responses out.

Requests wait in a queue of this model, see `request_queue`, and workers, threads of this process,
take one each. The code decodes the photograph, has the network paint it, and encodes the painting:
one model, and not an ensemble of three, so that a request whose caller has gone, or whose time is
over, costs no more than the step that it is in. What an ensemble has accepted runs through all its
steps.
"""

import json
import time
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt
import triton_python_backend_utils as pb_utils
from image_container import ImageError
from image_decoder import Limits, Photograph, decode
from image_encoder import QUALITIES, Defaults, EncodeError, encode
from model_metrics import PIXELS, STYLES, ModelMetrics
from pace import Pace
from photograph import resized, with_colours_of
from queued_model import FULL, LATE, QueuedModel
from request_options import Options, OptionsError, check_sides, read_options, read_version
from request_queue import RequestQueue
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
_NEWEST = -1
"""What Triton calls the newest version of a model."""
_BOUNDS = ("workers", "max_queue_size", "max_queue_bytes", "max_request_seconds")
"""Parameters, see `RequestQueue` and `QueuedModel`."""


class _CancelledError(Exception):
    """Nobody waits for the answer any more."""


class _TooLateError(Exception):
    """The network would take longer than the caller waits."""


class TritonPythonModel:
    """`image` BYTES[1] and `style` BYTES[1] -> `stylized` UINT8[n], a file."""

    def initialize(self, args: dict[str, str]) -> None:
        """Reads the configuration; a missing or unusable parameter fails the load."""
        config = args["model_config"]
        texts = {
            name: value["string_value"] for name, value in json.loads(config)["parameters"].items()
        }
        limits = {field.name: ABOVE_0 for field in fields(Limits)}
        qualities = {field.name: QUALITIES for field in fields(Defaults)}
        try:
            self._limits = Limits(**read_whole_numbers(config, limits))
            self._defaults = Defaults(**read_whole_numbers(config, qualities))
            bounds = read_whole_numbers(config, dict.fromkeys(_BOUNDS, ABOVE_0))
            self._styles = parse_names(texts.get("styles", ""))
            pinned = texts.get("network_version")
            self._network_version = read_version(pinned) if pinned else _NEWEST
        except ValueError as error:
            raise pb_utils.TritonModelException(str(error)) from error
        self._network = texts.get("calls", "")
        if not self._network:
            raise pb_utils.TritonModelException(
                "config.pbtxt has no parameter 'calls': set it to the name of the network"
            )
        self._metrics = ModelMetrics(pb_utils, args["model_name"], set(_REFUSALS.values()))
        for style in self._styles:
            self._metrics.count(STYLES, 0, style=style)
        self._pace = Pace()
        queue: RequestQueue[Any] = RequestQueue(
            bounds["workers"], bounds["max_queue_size"], bounds["max_queue_bytes"]
        )
        self._queued = QueuedModel(
            pb_utils,
            args["model_name"],
            queue,
            self._answer,
            bounds["workers"],
            bounds["max_request_seconds"],
            self._metrics.ended,
            self._metrics.waited,
        )

    def finalize(self) -> None:
        """Ends the workers, and sends the last counts."""
        self._queued.close()
        self._metrics.close()

    def execute(self, requests: list[Any]) -> list[Any]:
        """Queues the requests, which workers answer, or refuses them at once."""
        return [self._queued.take(request, len(_item(request, "image"))) for request in requests]

    def _answer(self, request: Any, seconds_left: Callable[[], float]) -> Any:
        start = time.perf_counter()
        try:
            file = self._file(request, seconds_left)
        except tuple(_REFUSALS) as error:
            self._metrics.refused(_REFUSALS[type(error)])
            return _failure(str(error), pb_utils.TritonError.INVALID_ARG)
        except _CancelledError:
            self._metrics.ended("abandoned")
            return _failure("nobody waits for the answer", pb_utils.TritonError.CANCELLED)
        except _TooLateError:
            self._metrics.ended("overloaded")
            message = f"{LATE}: the network would take longer than is left"
            return _failure(message, pb_utils.TritonError.UNAVAILABLE)
        except _NetworkError as error:
            self._metrics.ended(_outcome(error.code))
            return _failure(str(error), error.code)
        except Exception as error:
            self._metrics.ended("failed")
            pb_utils.Logger.log_error(f"[request id: {request.request_id()}] stylize: {error!r}")
            return _failure(f"stylize failed: {error!r}", pb_utils.TritonError.INTERNAL)
        self._metrics.served(time.perf_counter() - start)
        return pb_utils.InferenceResponse([pb_utils.Tensor("stylized", file)])

    def _file(self, request: Any, seconds_left: Callable[[], float]) -> npt.NDArray[np.uint8]:
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
        if request.is_cancelled():
            raise _CancelledError
        pixels = photograph.pixels.shape[0] * photograph.pixels.shape[1]
        if not self._pace.is_enough(seconds_left(), pixels):
            raise _TooLateError
        self._metrics.count(PIXELS, pixels)
        start = time.perf_counter()
        with self._metrics.step("network"):
            painting = self._painted(request, photograph.pixels, weights, options)
        self._pace.learn(pixels, time.perf_counter() - start)
        if request.is_cancelled():
            raise _CancelledError
        with self._metrics.step("encode"):
            picture = _finished(painting, photograph, options)
            file = encode(picture, format_name, options.quality, self._defaults, photograph.profile)
        return np.frombuffer(file, np.uint8)[np.newaxis]

    def _painted(
        self,
        request: Any,
        pixels: npt.NDArray[np.uint8],
        weights: npt.NDArray[np.float32],
        options: Options,
    ) -> npt.NDArray[np.uint8]:
        """What the network makes of UINT8 (h, w, 3): the same size."""
        response = pb_utils.InferenceRequest(
            model_name=self._network,
            model_version=options.network_version or self._network_version,
            request_id=request.request_id(),
            requested_output_names=["stylized"],
            inputs=[
                pb_utils.Tensor("image", pixels[np.newaxis]),
                pb_utils.Tensor("style", weights[np.newaxis]),
            ],
            timeout=request.timeout(),
            trace=request.trace(),
            preferred_memory=pb_utils.PreferredMemory(pb_utils.TRITONSERVER_MEMORY_CPU),
        ).exec()
        if response.has_error():
            if options.network_version and "is not ready" in response.error().message():
                raise OptionsError(
                    f"network_version {options.network_version} is not served: leave it out, or "
                    "use one that is"
                )
            raise _NetworkError(response.error())
        painted = pb_utils.get_output_tensor_by_name(response, "stylized").as_numpy()
        painting: npt.NDArray[np.uint8] = painted[0]
        return painting


class _NetworkError(Exception):
    """The network did not answer; the message is its own."""

    def __init__(self, error: Any) -> None:
        # Triton passes it on as a fault.
        full = FULL in error.message()
        super().__init__(FULL if full else error.message())
        self.code = pb_utils.TritonError.UNAVAILABLE if full else error.code()


def _finished(
    painting: npt.NDArray[np.uint8], photograph: Photograph, options: Options
) -> npt.NDArray[np.uint8]:
    if options.keep_colors:
        return with_colours_of(photograph.original, painting)
    return resized(painting, photograph.height, photograph.width)


def _outcome(code: int) -> str:
    """What became of a request whose network did not answer."""
    codes = pb_utils.TritonError
    return {codes.CANCELLED: "abandoned", codes.UNAVAILABLE: "overloaded"}.get(code, "failed")


def _item(request: Any, name: str) -> bytes:
    value: bytes = pb_utils.get_input_tensor_by_name(request, name).as_numpy().item()
    return value


def _failure(message: str, code: int) -> Any:
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(message, code))
