"""What a server says of itself: whether it is ready, its models, and what they have done so far."""

from dataclasses import dataclass
from typing import Any

from tritonclient.grpc import service_pb2 as messages

from atelier import _stylize
from atelier._calls import AllStatistics, Call, ModelConfig, parsed
from atelier._conversation import Conversation


@dataclass(frozen=True)
class ModelStatus:
    """One version of a model, since it was loaded.

    Attributes:
        name: The model.
        version: Its version.
        ready: Whether it takes requests.
        answered: Requests that were answered. An error that a Python model such as `stylize`
            answers counts here, as Triton counts it.
        failed: Requests that Triton counts as failed, those that were given up in the queue too.
        queue_seconds: How long an answered request waited for its turn, on average. None for a
            model such as `stylize`, which has a queue of its own, that Triton does not see.
        compute_seconds: How long it took then, on average; None for such a model.
        batch: How many requests shared a run, on average; 0 before the first.
    """

    name: str
    version: str
    ready: bool
    answered: int
    failed: int
    queue_seconds: float | None
    compute_seconds: float | None
    batch: float


@dataclass(frozen=True)
class ServerStatus:
    """A server.

    Attributes:
        server: Its name and version.
        ready: Whether it takes requests.
        styles: The names of the styles, if it serves `style`.
        models: Every version of every model that is loaded, by name.
    """

    server: str
    ready: bool
    styles: list[str]
    models: list[ModelStatus]


class _ServerName(Call[str]):
    """Asks for the name and the version of the server."""

    method = "ServerMetadata"

    def message(self) -> Any:
        """See `Call`."""
        return messages.ServerMetadataRequest()

    def read(self, response: bytes) -> str:
        """See `Call`."""
        message = parsed(messages.ServerMetadataResponse, response)
        return f"{message.name} {message.version}"


class _IsServerReady(Call[bool]):
    """Asks whether the server is ready."""

    method = "ServerReady"

    def message(self) -> Any:
        """See `Call`."""
        return messages.ServerReadyRequest()

    def read(self, response: bytes) -> bool:
        """See `Call`."""
        return bool(parsed(messages.ServerReadyResponse, response).ready)


@dataclass(frozen=True)
class _IsModelReady(Call[bool]):
    """Asks whether a version of a model is ready."""

    method = "ModelReady"
    version: str

    def message(self) -> Any:
        """See `Call`."""
        return messages.ModelReadyRequest(name=self.model, version=self.version)

    def read(self, response: bytes) -> bool:
        """See `Call`."""
        return bool(parsed(messages.ModelReadyResponse, response).ready)


def status() -> Conversation[ServerStatus]:
    """Asks for all of it; what is not ready is no error."""
    server = yield _ServerName("")
    ready = yield _IsServerReady("")
    counted = yield AllStatistics("")
    models = []
    for each in sorted(counted, key=lambda each: (each.name, each.version)):
        config = yield ModelConfig(each.name)
        takes_requests = yield _IsModelReady(each.name, each.version)
        models.append(_model(each, config, takes_requests))
    served = {model.name for model in models if model.ready}
    styles = (yield from _stylize.styles()) if "style" in served else []
    return ServerStatus(server, ready, styles, models)


def _model(counted: Any, config: Any, ready: bool) -> ModelStatus:
    sums = counted.inference_stats
    answered = sums.success.count
    compute = sums.compute_input.ns + sums.compute_infer.ns + sums.compute_output.ns
    # Triton's times of such a model are those until it took the request over.
    hidden = config.model_transaction_policy.decoupled

    def mean(nanoseconds: int) -> float | None:
        return None if hidden else nanoseconds / max(answered, 1) / 1e9

    return ModelStatus(
        name=counted.name,
        version=counted.version,
        ready=ready,
        answered=answered,
        failed=sums.fail.count,
        queue_seconds=mean(sums.queue.ns),
        compute_seconds=mean(compute),
        batch=counted.inference_count / max(counted.execution_count, 1),
    )
