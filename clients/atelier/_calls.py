"""The calls of the KServe v2 protocol that the client makes, as bytes on the wire.

Nothing here does I/O. The synchronous and the asynchronous client share all of it. Numbers are in
`_tensors`.
"""

import struct
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, SupportsIndex, TypeAlias, TypeVar

from google.protobuf.message import DecodeError
from tritonclient.grpc import service_pb2 as messages

from atelier._errors import InvalidRequest, ServerFailed, Unreachable

Response = TypeVar("Response")

Parameters: TypeAlias = Mapping[str, str | bool | int | float | None]
"""A request's own parameters; None stands for one that is not sent."""

_BULK_PRIORITY = 2
"""The level of work that may wait, where a model's configuration has levels; all else has 1."""
OWN_QUEUE = frozenset({"classify", "generate", "stylize"})
"""Models with a queue of their own, which cannot see Triton's levels."""
NETWORK_VERSION = "network_version"
"""The output of these models that says which version of their network it was."""
_LENGTH = struct.Struct("<I")
_INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True)
class Call(ABC, Generic[Response]):
    """One request to the server and the way to read its response.

    Attributes:
        method: The method of `inference.GRPCInferenceService`.
        model: The model that is asked; "" where the request is to the server itself.
    """

    method: ClassVar[str]
    model: str

    @abstractmethod
    def message(self) -> Any:
        """The request; raises InvalidRequest where a text cannot be written in UTF-8."""

    @abstractmethod
    def read(self, response: bytes) -> Response:
        """Reads the response; raises ServerFailed where it is none."""

    def request(
        self, remaining: float | None, request_id: str = "", *, bulk: bool = False
    ) -> bytes:
        """The bytes of the request.

        Args:
            remaining: The seconds that are left, or None for no limit.
            request_id: What the server's log is to call an inference.
            bulk: Whether it may wait until all other requests are served.
        """
        message = self.message()
        if self.method == "ModelInfer":
            message.id = request_id
            if bulk:
                message.parameters["priority"].uint64_param = _BULK_PRIORITY
                if self.model in OWN_QUEUE:
                    message.parameters["bulk"].bool_param = True
        if remaining is not None and self.method == "ModelInfer":
            # Microseconds, for the queue of the model that is asked.
            message.parameters["timeout"].int64_param = max(1, round(remaining * 1e6))
        return bytes(message.SerializeToString())


@dataclass(frozen=True)
class InferBytes(Call[dict[str, list[bytes]]]):
    """Asks for bytes, given BYTES[1] inputs; a batch of one.

    The elements of a BYTES output come one by one; any other output is one element.

    Attributes:
        inputs: The content of each input.
        outputs: What to read. A number has Triton answer with the labels of so many classes, 1
            or more, in place of the output itself; without any number, it gives all that it has.
        parameters: The request's own parameters.
    """

    method = "ModelInfer"
    inputs: Mapping[str, bytes | str]
    outputs: Mapping[str, int | None]
    parameters: Parameters

    def message(self) -> Any:
        """See `Call`."""
        message = messages.ModelInferRequest(model_name=self.model)
        for name, content in self.inputs.items():
            data = utf8(name, content) if isinstance(content, str) else content
            message.inputs.add(name=name, datatype="BYTES", shape=[1, 1])
            message.raw_input_contents.append(bytes_tensor([data]))
        for name, classes in self.outputs.items():
            if classes is not None:
                output = message.outputs.add(name=name)
                output.parameters["classification"].int64_param = classes
        add_parameters(message, self.parameters)
        return message

    def read(self, response: bytes) -> dict[str, list[bytes]]:
        """See `Call`."""
        message = parsed(messages.ModelInferResponse, response)
        tensors = zip(message.outputs, message.raw_output_contents, strict=False)
        contents = {
            tensor.name: bytes_elements(raw) if tensor.datatype == "BYTES" else [raw] * bool(raw)
            for tensor, raw in tensors
        }
        for name in self.outputs:
            if not contents.get(name):
                raise ServerFailed(
                    f"{self.model} answered without a whole {name!r}", model=self.model
                )
        return contents


@dataclass(frozen=True)
class ModelConfig(Call[Any]):
    """Asks for a model's `ModelConfig` message; the version "" means the newest."""

    method = "ModelConfig"
    version: str = ""

    def message(self) -> Any:
        """See `Call`."""
        return messages.ModelConfigRequest(name=self.model, version=self.version)

    def read(self, response: bytes) -> Any:
        """See `Call`."""
        return parsed(messages.ModelConfigResponse, response).config


class ModelVersions(Call[list[str]]):
    """Asks for the versions of a model that are served."""

    method = "ModelMetadata"

    def message(self) -> Any:
        """See `Call`."""
        return messages.ModelMetadataRequest(name=self.model)

    def read(self, response: bytes) -> list[str]:
        """See `Call`."""
        return list(parsed(messages.ModelMetadataResponse, response).versions)


@dataclass(frozen=True)
class ModelReady(Call[None]):
    """Asks whether a model is ready; `url` is the server's address, for the error."""

    method = "ModelReady"
    url: str

    def message(self) -> Any:
        """See `Call`."""
        return messages.ModelReadyRequest(name=self.model)

    def read(self, response: bytes) -> None:
        """Reads a yes.

        Raises:
            Unreachable: It is not ready.
            ServerFailed: The response is none.
        """
        if not parsed(messages.ModelReadyResponse, response).ready:
            raise Unreachable(
                f"the server at {self.url} is up, but its model {self.model!r} is not ready yet",
                model=self.model,
            )


class AllStatistics(Call[list[Any]]):
    """Asks for the `ModelStatistics` messages, one for each version of each model."""

    method = "ModelStatistics"

    def message(self) -> Any:
        """See `Call`."""
        return messages.ModelStatisticsRequest()

    def read(self, response: bytes) -> list[Any]:
        """See `Call`."""
        return list(parsed(messages.ModelStatisticsResponse, response).model_stats)


def read_network_version(contents: Sequence[bytes] | None) -> int | None:
    """Reads the output of this name; None where there is none, or the server cannot tell."""
    return int.from_bytes(b"".join(contents or ()), "little") or None


def add_parameters(message: Any, parameters: Parameters) -> None:
    """Adds parameters to a `ModelInferRequest`; raises InvalidRequest for a text not in UTF-8."""
    for name, value in parameters.items():
        match value:
            case None:
                pass
            case str():
                message.parameters[name].string_param = utf8(name, value)
            case bool():
                message.parameters[name].bool_param = value
            case SupportsIndex() if int(value) in _INT64:  # An int, or one of numpy's.
                message.parameters[name].int64_param = int(value)
            case SupportsIndex():  # The server is to see it, and to say what it takes.
                message.parameters[name].string_param = str(value)
            case _:
                message.parameters[name].double_param = float(value)


def bytes_tensor(elements: Iterable[bytes]) -> bytes:
    """A BYTES tensor: each element with its length before it."""
    return b"".join(_LENGTH.pack(len(element)) + element for element in elements)


def bytes_elements(raw: bytes) -> list[bytes]:
    """The elements of a BYTES tensor, each with its length before it; none if one is cut off."""
    elements, position = [], 0
    while position < len(raw):
        start = position + _LENGTH.size
        if start > len(raw):
            return []
        position = start + _LENGTH.unpack_from(raw, position)[0]
        if position > len(raw):
            return []
        elements.append(raw[start:position])
    return elements


def parsed(kind: Any, response: bytes) -> Any:
    """The message of this kind; raises ServerFailed where the response is none."""
    try:
        return kind.FromString(response)
    except DecodeError as error:
        raise ServerFailed("the server's answer is no KServe v2 message") from error


def utf8(name: str, text: str) -> bytes:
    """The text as bytes; raises InvalidRequest where it cannot be written in UTF-8."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest(
            f"{name}: {text!r:.60} is not text in UTF-8; write it without its broken characters"
        ) from error
