"""A real gRPC server whose answers are those of a `MockTransport`."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from tritonclient.grpc import service_pb2

from atelier._transport import Request
from atelier.testing import MockTransport, StatusError

UNKNOWN = "Request for unknown model: {!r} is not found"


class MockServer(grpc.GenericRpcHandler):
    """Keeps each message for inference, as it came.

    Args:
        configs: The text of a config.pbtxt for each model.
    """

    def __init__(self, configs: Iterable[str]) -> None:
        self._mock = MockTransport(lambda request: {}, configs)
        self.bodies: list[bytes] = []
        self.url = ""
        self.on_request: Callable[[int], object] = lambda count: None
        """Is given how many requests for inference there were, with each of them."""

    def service(self, details: Any) -> Any:
        method = details.method.rpartition("/")[2]

        def answer(body: bytes, context: grpc.ServicerContext) -> bytes:
            if method == "ModelInfer":
                self.bodies.append(body)
                self.on_request(len(self.bodies))
            model = ""
            if method == "ModelConfig":
                model = service_pb2.ModelConfigRequest.FromString(body).name
            try:
                return self._mock.send(Request(method, model, body), None)
            except StatusError as error:
                context.abort(error.code, UNKNOWN.format(model))
                raise

        return grpc.unary_unary_rpc_method_handler(answer)


@contextmanager
def serving(configs: Iterable[str]) -> Iterator[MockServer]:
    """Runs such a server."""
    handler = MockServer(configs)
    server = grpc.server(ThreadPoolExecutor(16), handlers=[handler])
    handler.url = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield handler
    finally:
        server.stop(grace=1).wait()
