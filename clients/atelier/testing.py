"""A server that is none, for the tests of code that uses the client.

Example:
    >>> from atelier import Client
    >>> from atelier.testing import InferRequest, MockTransport
    >>> def answer(request: InferRequest) -> dict[str, list[bytes]]:
    ...     assert request.model == "stylize" and request.inputs["style"] == [b"udnie"]
    ...     return {"stylized": request.inputs["image"]}
    >>> art = Client(transport=MockTransport(answer))
    >>> art.stylize("photo.png", "udnie").size
    (256, 256)
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc
import numpy as np
import numpy.typing as npt
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2, service_pb2

from atelier._calls import bytes_elements
from atelier._tensors import DATATYPES, DTYPES, raw_tensor
from atelier._transport import Request, StatusError

__all__ = ["Handler", "InferRequest", "MockTransport", "StatusError"]

Tensor: TypeAlias = npt.NDArray[Any] | Sequence[bytes]
"""Numbers, or the elements of a BYTES tensor: where it has a shape, as an array of objects."""


@dataclass(frozen=True)
class InferRequest:
    """A request for inference, as a model gets it.

    Attributes:
        model: The model's name.
        version: The version that is asked for; "" means the newest.
        inputs: Arrays with their batch first; BYTES tensors as a list of their elements.
        parameters: The request's own parameters.
        id: That of the client's call, which its errors name.
    """

    model: str
    version: str
    inputs: Mapping[str, Tensor]
    parameters: Mapping[str, str | bool | int | float]
    id: str = ""


Handler: TypeAlias = Callable[[InferRequest], Mapping[str, Tensor]]
"""Computes the outputs of a request, by name. It may raise StatusError, as a server refuses: both
clients retry and report it as they do with a server's."""


class MockTransport:
    """Answers in the place of a server, in the process, for `Client` and for `AsyncClient`.

    Every model is ready and has the version 1. Nothing was counted of it.

    Args:
        handler: Answers requests for inference.
        configs: The text of a config.pbtxt for each model whose configuration the client reads:
            `style` for `Client.styles`, `vae_encoder` and `vae_decoder` for what goes through the
            autoencoder, `generate` for what is generated.
    """

    def __init__(self, handler: Handler, configs: Iterable[str] = ()) -> None:
        self._handler = handler
        parsed = (text_format.Parse(text, model_config_pb2.ModelConfig()) for text in configs)
        self._configs = {config.name: config for config in parsed}
        self.requests: list[InferRequest] = []
        """What was asked for, in order."""

    def send(self, request: Request, timeout: float | None) -> bytes:  # noqa: ARG002
        """Answers a request; see `atelier._transport.Transport`."""
        return bytes(self._response(request).SerializeToString())

    async def send_async(self, request: Request, timeout: float | None) -> bytes:
        """Answers a request, as `send` does."""
        return self.send(request, timeout)

    def close(self) -> None:
        """There is nothing to close."""

    async def close_async(self) -> None:
        """There is nothing to close."""

    def _response(self, request: Request) -> Any:
        match request.method:
            case "ModelInfer":
                return self._infer(service_pb2.ModelInferRequest.FromString(request.body))
            case "ModelConfig":
                return service_pb2.ModelConfigResponse(config=self._config(request.model))
            case "ModelMetadata":
                return service_pb2.ModelMetadataResponse(name=request.model, versions=["1"])
            case "ModelReady":
                return service_pb2.ModelReadyResponse(ready=True)
            case "ModelStatistics":
                return service_pb2.ModelStatisticsResponse()
        raise StatusError(grpc.StatusCode.UNIMPLEMENTED, f"there is no method {request.method}")

    def _config(self, model: str) -> Any:
        if model not in self._configs:
            raise StatusError(
                grpc.StatusCode.NOT_FOUND,
                f"the model {model!r} is unknown; give its configuration to MockTransport",
            )
        return self._configs[model]

    def _infer(self, message: Any) -> Any:
        request = InferRequest(
            message.model_name,
            message.model_version,
            {
                tensor.name: _tensor(tensor.datatype, tensor.shape, raw)
                for tensor, raw in zip(message.inputs, message.raw_input_contents, strict=True)
            },
            {
                name: getattr(value, value.WhichOneof("parameter_choice"))
                for name, value in message.parameters.items()
                if name not in {"timeout", "priority", "bulk"}  # For the queue.
            },
            message.id,
        )
        self.requests.append(request)
        response = service_pb2.ModelInferResponse(
            model_name=request.model, model_version=request.version or "1"
        )
        for name, output in self._handler(request).items():
            tensor = output if isinstance(output, np.ndarray) else np.array(output, object)
            datatype = DATATYPES[tensor.dtype]
            response.outputs.add(name=name, datatype=datatype, shape=tensor.shape)
            response.raw_output_contents.append(raw_tensor(tensor))
        return response


def _tensor(datatype: str, shape: Sequence[int], raw: bytes) -> Tensor:
    if datatype == "BYTES":
        return bytes_elements(raw)
    return np.frombuffer(raw, DTYPES[datatype]).reshape(shape)
