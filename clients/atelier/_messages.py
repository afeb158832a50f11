"""The requests that the client sends and how it reads the answers, as bytes on the wire.

Nothing here does I/O. The synchronous and the asynchronous client share all of it.
"""

import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, SupportsIndex, TypeAlias, TypeVar

from google.protobuf.message import DecodeError
from tritonclient.grpc import service_pb2 as messages

from atelier._errors import InvalidRequest, ServerFailed, Unreachable

Answer = TypeVar("Answer")
Other = TypeVar("Other")

Parameters: TypeAlias = Mapping[str, str | bool | int | float | None]
"""A request's own parameters; None stands for one that is not sent."""

SERVICE = "/inference.GRPCInferenceService/"

_LENGTH = struct.Struct("<I")
_INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True)
class Exchange(Generic[Answer]):
    """One request to the server and the way to read its answer.

    Attributes:
        method: The method of `inference.GRPCInferenceService`.
        model: The model that is asked, or None where the request is to the server itself.
        request: Makes the request, given the seconds that are left (None: no limit).
        read: Reads the answer. Raises ServerFailed where it is none.
    """

    method: str
    model: str | None
    request: Callable[[float | None], bytes]
    read: Callable[[bytes], Answer]

    def then(self, read_on: Callable[[Answer], Other]) -> "Exchange[Other]":
        """The same exchange, whose answer is read on by `read_on`."""
        return Exchange(
            self.method, self.model, self.request, lambda answer: read_on(self.read(answer))
        )


def infer_bytes(
    model: str,
    inputs: Mapping[str, bytes | str],
    outputs: Mapping[str, int | None],
    parameters: Parameters,
) -> Exchange[dict[str, list[bytes]]]:
    """Asks `model` for the elements of BYTES outputs, given BYTES[1] inputs; a batch of one.

    Making the request raises InvalidRequest where a text cannot be written in UTF-8.

    Args:
        model: The model's name.
        inputs: The content of each input.
        outputs: What to ask for. A number has Triton answer with the labels of so many classes, 1
            or more, in place of the output itself.
        parameters: The request's own parameters.
    """

    def request(remaining: float | None) -> bytes:
        message = messages.ModelInferRequest(model_name=model)
        for name, content in inputs.items():
            data = utf8(name, content) if isinstance(content, str) else content
            message.inputs.add(name=name, datatype="BYTES", shape=[1, 1])
            message.raw_input_contents.append(packed([data]))
        for name, classes in outputs.items():
            output = message.outputs.add(name=name)
            if classes is not None:
                output.parameters["classification"].int64_param = classes
        add_parameters(message, parameters)
        return serialized(message, remaining)

    def read(answer: bytes) -> dict[str, list[bytes]]:
        message = parsed(messages.ModelInferResponse, answer)
        tensors = zip(message.outputs, message.raw_output_contents, strict=False)
        contents = {tensor.name: elements(raw) for tensor, raw in tensors}
        for name in outputs:
            if not contents.get(name):
                raise ServerFailed(f"{model} answered without a whole {name!r}", model=model)
        return contents

    return Exchange("ModelInfer", model, request, read)


def model_config(model: str, version: str = "") -> Exchange[Any]:
    """Asks for a model's `ModelConfig` message; the version "" means the newest."""
    message = messages.ModelConfigRequest(name=model, version=version)
    return Exchange(
        "ModelConfig",
        model,
        lambda _: bytes(message.SerializeToString()),
        lambda answer: parsed(messages.ModelConfigResponse, answer).config,
    )


def model_versions(model: str) -> Exchange[list[str]]:
    """Asks for the versions of a model that are served."""
    message = messages.ModelMetadataRequest(name=model)
    return Exchange(
        "ModelMetadata",
        model,
        lambda _: bytes(message.SerializeToString()),
        lambda answer: list(parsed(messages.ModelMetadataResponse, answer).versions),
    )


def model_statistics() -> Exchange[list[Any]]:
    """Asks for the `ModelStatistics` messages, one for each version of each model."""
    message = messages.ModelStatisticsRequest()
    return Exchange(
        "ModelStatistics",
        None,
        lambda _: bytes(message.SerializeToString()),
        lambda answer: list(parsed(messages.ModelStatisticsResponse, answer).model_stats),
    )


def model_ready(model: str, url: str) -> Exchange[None]:
    """Asks whether a model is ready. Reading a no raises Unreachable."""

    def read(answer: bytes) -> None:
        if not parsed(messages.ModelReadyResponse, answer).ready:
            raise Unreachable(
                f"the server at {url} is up, but its model {model!r} is not ready yet", model=model
            )

    message = messages.ModelReadyRequest(name=model)
    return Exchange("ModelReady", model, lambda _: bytes(message.SerializeToString()), read)


def add_parameters(message: Any, parameters: Parameters) -> None:
    """Writes a request's own parameters into its `ModelInferRequest`.

    Raises:
        InvalidRequest: A text cannot be written in UTF-8.
    """
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


def packed(contents: Iterable[bytes]) -> bytes:
    """The elements of a BYTES tensor on the wire, each with its length before it."""
    return b"".join(_LENGTH.pack(len(content)) + content for content in contents)


def elements(raw: bytes) -> list[bytes]:
    """The elements of a BYTES tensor, as `packed` writes them; none if one is cut off."""
    found, position = [], 0
    while position < len(raw):
        start = position + _LENGTH.size
        if start > len(raw):
            return []
        position = start + _LENGTH.unpack_from(raw, position)[0]
        if position > len(raw):
            return []
        found.append(raw[start:position])
    return found


def utf8(name: str, text: str) -> bytes:
    """The text as bytes; raises InvalidRequest where it cannot be written in UTF-8."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest(
            f"{name}: {text!r:.60} is not text in UTF-8; write it without its broken characters"
        ) from error


def serialized(message: Any, remaining: float | None) -> bytes:
    """The bytes of a `ModelInferRequest` that may wait in a queue for the seconds that are left."""
    if remaining is not None:
        # Microseconds in the queue of the model that is asked. An ensemble keeps it from its
        # steps; they are freed when the deadline of the call cancels the request.
        message.parameters["timeout"].int64_param = max(1, round(remaining * 1e6))
    return bytes(message.SerializeToString())


def parsed(kind: Any, answer: bytes) -> Any:
    """The message of this kind; raises ServerFailed where the answer is none."""
    try:
        return kind.FromString(answer)
    except DecodeError as error:
        raise ServerFailed("the server's answer is no KServe v2 message") from error
