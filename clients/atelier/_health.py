"""Whether the server and its models are ready."""

from dataclasses import dataclass
from typing import Any

from tritonclient.grpc import service_pb2 as messages

from atelier._calls import AllStatistics, Call, ModelReady, parsed
from atelier._conversation import Conversation
from atelier._errors import Unreachable


@dataclass(frozen=True)
class ServerLive(Call[None]):
    """Asks whether the server lives; `url` is its address, for the error."""

    method = "ServerLive"
    url: str

    def message(self) -> Any:
        """See `Call`."""
        return messages.ServerLiveRequest()

    def read(self, response: bytes) -> None:
        """Reads a yes; raises Unreachable where it is a no."""
        if not parsed(messages.ServerLiveResponse, response).live:
            raise Unreachable(f"the server at {self.url} answers, but it is not live")


@dataclass(frozen=True)
class ServerReady(Call[None]):
    """Asks whether the server is ready: whether every model that it is to serve did load."""

    method = "ServerReady"
    url: str

    def message(self) -> Any:
        """See `Call`."""
        return messages.ServerReadyRequest()

    def read(self, response: bytes) -> None:
        """Reads a yes; raises Unreachable where it is a no."""
        if not parsed(messages.ServerReadyResponse, response).ready:
            raise Unreachable(
                f"the server at {self.url} is up, but not ready: it still loads its models, or "
                "one of them did not load, which its log says"
            )


def health(url: str) -> Conversation[list[str]]:
    """Asks whether the server lives, is ready, and has every model ready; returns their names."""
    yield ServerLive("", url)
    yield ServerReady("", url)
    statistics = yield AllStatistics("")
    models = sorted({each.name for each in statistics})
    for model in models:
        yield ModelReady(model, url)
    return models
