"""Requests with tensors of any shape."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from tritonclient.grpc import service_pb2 as messages

from atelier._calls import (
    NETWORK_VERSION,
    OWN_QUEUE,
    Call,
    Parameters,
    add_parameters,
    bytes_elements,
    bytes_tensor,
    parsed,
    read_network_version,
)
from atelier._errors import ServerFailed

_BYTES = np.dtype(object)
DTYPES: dict[str, np.dtype[Any]] = {
    "UINT8": np.dtype(np.uint8),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP32": np.dtype("<f4"),
    "BYTES": _BYTES,
}
DATATYPES = {dtype: datatype for datatype, dtype in DTYPES.items()}


class Expected(NamedTuple):
    """What an output has to be: Triton's name of its type, and its whole shape; -1 is any size."""

    datatype: str
    shape: tuple[int, ...]

    def fits(self, datatype: str, shape: tuple[int, ...]) -> bool:
        """Whether an output is what it has to be."""
        return (
            datatype == self.datatype
            and len(shape) == len(self.shape)
            and all(wanted in (-1, size) for wanted, size in zip(self.shape, shape, strict=True))
        )


@dataclass(frozen=True)
class Tensors:
    """The outputs of a model by their names, and which version computed them.

    Attributes:
        outputs: Those that were asked for.
        version: Of the model.
        network_version: Of the network that it calls, where it tells.
    """

    outputs: Mapping[str, npt.NDArray[Any]]
    version: str
    network_version: int | None = None


@dataclass(frozen=True)
class InferTensors(Call[Tensors]):
    """Asks for tensors, given tensors.

    Sending it raises InvalidRequest where the server does not have this version. Reading the
    response raises ServerFailed where an output is not as expected.

    Attributes:
        inputs: uint8, little-endian int64 or float32, or objects, which are bytes. Where the model
            batches, the batch comes first.
        outputs: What to ask for.
        version: The model's version; "" means the newest.
        parameters: The request's own parameters.
    """

    method = "ModelInfer"
    inputs: Mapping[str, npt.NDArray[Any]]
    outputs: Mapping[str, Expected]
    version: str = ""
    parameters: Parameters = field(default_factory=dict)

    def message(self) -> Any:
        """See `Call`."""
        message = messages.ModelInferRequest(model_name=self.model, model_version=self.version)
        for name, tensor in self.inputs.items():
            message.inputs.add(name=name, datatype=DATATYPES[tensor.dtype], shape=tensor.shape)
            message.raw_input_contents.append(raw_tensor(tensor))
        # A server that does not tell the version of a network yet refuses to be asked for it: it
        # gives all that it has.
        if self.model not in OWN_QUEUE:
            for name in self.outputs:
                message.outputs.add(name=name)
        add_parameters(message, self.parameters)
        return message

    def read(self, response: bytes) -> Tensors:
        """See `Call`."""
        message = parsed(messages.ModelInferResponse, response)
        found = {
            tensor.name: (tensor.datatype, tuple(tensor.shape), raw)
            for tensor, raw in zip(message.outputs, message.raw_output_contents, strict=False)
        }
        tensors = {}
        for name, expected in self.outputs.items():
            datatype, shape, raw = found.get(name, ("", (), b""))
            tensor = _tensor(datatype, shape, raw) if expected.fits(datatype, shape) else None
            if tensor is None:
                raise ServerFailed(
                    f"{self.model} answered without a whole {name!r} of {expected.datatype} "
                    f"{list(expected.shape)}",
                    model=self.model,
                )
            tensors[name] = tensor
        _, _, raw = found.get(NETWORK_VERSION, ("", (), b""))
        return Tensors(tensors, message.model_version, read_network_version([raw]))


def raw_tensor(tensor: npt.NDArray[Any]) -> bytes:
    """The tensor on the wire; objects are the elements of a BYTES tensor."""
    return bytes_tensor(tensor.flat) if tensor.dtype == _BYTES else tensor.tobytes()


def _tensor(datatype: str, shape: tuple[int, ...], raw: bytes) -> npt.NDArray[Any] | None:
    """The tensor, or None where `raw` is not as long as it."""
    dtype = DTYPES[datatype]
    size = math.prod(shape)
    if dtype == _BYTES:
        contents = bytes_elements(raw)
        if len(contents) != size:
            return None
        return np.array(contents, dtype).reshape(shape)
    if len(raw) != size * dtype.itemsize:
        return None
    return np.frombuffer(raw, dtype).reshape(shape)
