"""Requests with tensors of numbers."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from tritonclient.grpc import service_pb2 as messages

from atelier._calls import Call, parsed
from atelier._errors import ServerFailed

_DTYPES: dict[str, np.dtype[Any]] = {"UINT8": np.dtype(np.uint8), "FP32": np.dtype("<f4")}
_DATATYPES = {dtype: datatype for datatype, dtype in _DTYPES.items()}


class Expected(NamedTuple):
    """What an output has to be: Triton's name of its type, and its shape with the batch."""

    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Tensors:
    """The outputs of a model by their names, and the version of the model that computed them."""

    outputs: Mapping[str, npt.NDArray[Any]]
    version: str


@dataclass(frozen=True)
class InferTensors(Call[Tensors]):
    """Asks for a batch.

    Sending it raises InvalidRequest where the server does not have this version. Reading the
    response raises ServerFailed where an output is not as expected.

    Attributes:
        inputs: uint8 or little-endian float32, with the batch first.
        outputs: What to ask for.
        version: The model's version; "" means the newest.
    """

    method = "ModelInfer"
    inputs: Mapping[str, npt.NDArray[Any]]
    outputs: Mapping[str, Expected]
    version: str = ""

    def message(self) -> Any:
        """See `Call`."""
        message = messages.ModelInferRequest(model_name=self.model, model_version=self.version)
        for name, tensor in self.inputs.items():
            message.inputs.add(name=name, datatype=_DATATYPES[tensor.dtype], shape=tensor.shape)
            message.raw_input_contents.append(tensor.tobytes())
        for name in self.outputs:
            message.outputs.add(name=name)
        return message

    def read(self, response: bytes) -> Tensors:
        """See `Call`."""
        message = parsed(messages.ModelInferResponse, response)
        found = {
            tensor.name: (Expected(tensor.datatype, tuple(tensor.shape)), raw)
            for tensor, raw in zip(message.outputs, message.raw_output_contents, strict=False)
        }
        tensors = {}
        for name, expected in self.outputs.items():
            described, raw = found.get(name, (None, b""))
            dtype = _DTYPES[expected.datatype]
            whole = len(raw) == math.prod(expected.shape) * dtype.itemsize
            if described != expected or not whole:
                raise ServerFailed(
                    f"{self.model} answered without a whole {name!r} of {expected.datatype} "
                    f"{list(expected.shape)}",
                    model=self.model,
                )
            tensors[name] = np.frombuffer(raw, dtype).reshape(expected.shape)
        return Tensors(tensors, message.model_version)
