"""The Triton side of the backend: an object of this class is one instance of a model."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from atelier_onnxruntime import contract
from atelier_onnxruntime.batch import Array, Arrays, Job, run_jobs
from atelier_onnxruntime.cores import Cores
from atelier_onnxruntime.input_size import MAX_INPUT_BYTES, refusal
from atelier_onnxruntime.parameters import (
    Config,
    ConfigError,
    default_max_batch_size,
    integer_parameter,
)

FAILURES = "atelier_network_failures_total"
"""A metric: Triton counts a request that a Python model answers with an error as a success. With
NVIDIA's backend it is `nv_inference_request_failure`."""

IDLE_SECONDS = 0.05
"""Without a run, after which the next request is taken to have found the instance idle."""

_ONNX_RUNTIME_ERROR = re.compile(r"\[ONNXRuntimeError\] : (\d+) : \w+ : (.*)", re.DOTALL)


class TritonPythonModel:
    """Runs an ONNX model for Triton, whose Python runtime calls these methods."""

    @staticmethod
    def auto_complete_config(auto_complete_model_config: Any) -> Any:
        """Fills in what the model's configuration leaves open."""
        config: Config = auto_complete_model_config.as_dict()
        if contract.is_complete(config):
            return auto_complete_model_config
        from atelier_onnxruntime import session

        with _refusal_by_name(config["name"]):
            signature = session.peek(config, Path(pb_utils.get_model_dir()))
            default = default_max_batch_size(os.environ)
            config.update(contract.complete(config, signature, default))
        return auto_complete_model_config

    def initialize(self, args: dict[str, str]) -> None:
        """Opens the sessions of this instance and checks the configuration against them."""
        from atelier_onnxruntime.instance import Instance

        config: Config = json.loads(args["model_config"])
        with _refusal_by_name(args["model_name"]):
            self._instance = Instance(
                config,
                Path(pb_utils.get_model_dir()),
                args["model_instance_kind"],
                int(args["model_instance_device_id"]),
                Cores(),
            )
            signature = self._instance.signature
            contract.check(config, signature)
            self._most_bytes = integer_parameter(config, MAX_INPUT_BYTES, sys.maxsize)
        self._family = pb_utils.MetricFamily(
            name=FAILURES,
            description="Requests that ONNX Runtime failed to compute",
            kind=pb_utils.MetricFamily.COUNTER,
        )
        self._failures = self._family.Metric(labels={"model": args["model_name"]})
        self._last_run_at = 0.0
        self._batches = config["max_batch_size"] > 0
        inputs = signature.inputs | signature.defaults
        self._scalar_inputs = {name for name, tensor in inputs.items() if not tensor.shape}
        self._scalar_outputs = {
            entry["name"]: contract.tensor_dims(entry)
            for entry in config["output"]
            if not signature.outputs[entry["name"]].shape
        }

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answers the requests that Triton put together, each by itself if it must be."""
        jobs = [
            Job(
                {tensor.name(): tensor.as_numpy() for tensor in request.inputs()},
                request.requested_output_names(),
            )
            for request in requests
        ]
        refused = [
            _refused(job, self._most_bytes) if is_wanted else _abandoned()
            for job, is_wanted in zip(jobs, self._wanted(requests), strict=True)
        ]
        taken = [job for job, error in zip(jobs, refused, strict=True) if error is None]
        answers = iter(run_jobs(self._run, taken, batches=self._batches))
        self._last_run_at = time.monotonic()
        return [self._response(next(answers)) if each is None else each for each in refused]

    def finalize(self) -> None:
        """Takes this instance's metric away, before its family."""
        del self._failures
        del self._family

    def _wanted(self, requests: list[Any]) -> list[bool]:
        """Whether somebody still waits for the answer to each request.

        To ask Triton takes some 80 µs. Whoever found the instance idle has hardly gone since.
        """
        waited = len(requests) > 1 or time.monotonic() - self._last_run_at < IDLE_SECONDS
        return [not (waited and request.is_cancelled()) for request in requests]

    def _run(self, names: list[str], inputs: Arrays) -> list[Array]:
        feed = {name: _text(array) for name, array in inputs.items()}
        for name in self._scalar_inputs & feed.keys():
            feed[name] = feed[name].reshape(())
        return self._instance.run(names, feed)

    def _response(self, answer: Arrays | Exception) -> Any:
        if isinstance(answer, Exception):
            if not isinstance(answer, UnicodeDecodeError):
                self._failures.increment(1)
            return pb_utils.InferenceResponse(error=_error(answer))
        for name in self._scalar_outputs.keys() & answer.keys():
            answer[name] = answer[name].reshape(self._scalar_outputs[name])
        return pb_utils.InferenceResponse(
            [pb_utils.Tensor(name, array) for name, array in answer.items()]
        )


@contextmanager
def _refusal_by_name(model: str) -> Iterator[None]:
    """Turns a refused configuration into the exception that Triton shows, with the model's name."""
    try:
        yield
    except ConfigError as error:
        raise pb_utils.TritonModelException(f"unable to load model '{model}': {error}") from None


def _text(array: Array) -> Array:
    """The array itself, or its text where Triton gave the bytes of strings."""
    if array.dtype != np.object_:
        return array
    text = np.empty(array.size, np.object_)
    text[:] = [element.decode() for element in array.flat]
    return text.reshape(array.shape)


def _refused(job: Job, most_bytes: int) -> Any:
    """The response to a request that is larger than it may be, or None."""
    message = refusal(job.inputs, most_bytes)
    if not message:
        return None
    error = pb_utils.TritonError(message, pb_utils.TritonError.INVALID_ARG)
    return pb_utils.InferenceResponse(error=error)


def _abandoned() -> Any:
    error = pb_utils.TritonError("nobody waits for the answer", pb_utils.TritonError.CANCELLED)
    return pb_utils.InferenceResponse(error=error)


def _error(error: Exception) -> Any:
    if isinstance(error, UnicodeDecodeError):
        return pb_utils.TritonError(
            f"a string of the request is not UTF-8: {error}", pb_utils.TritonError.INVALID_ARG
        )
    match = _ONNX_RUNTIME_ERROR.match(str(error))
    message = f"onnx runtime error {match[1]}: {match[2]}" if match else str(error)
    return pb_utils.TritonError(message, pb_utils.TritonError.INTERNAL)
