"""Model control: which models a server has loaded, and loading and unloading them.

It takes the token for administration.
"""

from dataclasses import dataclass
from typing import Any

from tritonclient.grpc import service_pb2 as messages

from atelier._calls import Call, parsed
from atelier._conversation import Conversation

READY = "READY"


@dataclass(frozen=True)
class ModelState:
    """A version of a model in the server's repositories.

    Attributes:
        name: The model.
        version: Its version; "" for a model of which none was ever loaded.
        state: "READY", "LOADING", "UNLOADING" or "UNAVAILABLE"; "" for one that was never loaded.
        reason: Why it is not ready.
    """

    name: str
    version: str
    state: str
    reason: str


class _Index(Call[list[ModelState]]):
    """Asks what lies in the repositories."""

    method = "RepositoryIndex"

    def message(self) -> Any:
        """See `Call`."""
        return messages.RepositoryIndexRequest()

    def read(self, response: bytes) -> list[ModelState]:
        """See `Call`."""
        index = parsed(messages.RepositoryIndexResponse, response).models
        return [ModelState(each.name, each.version, each.state, each.reason) for each in index]


class _Load(Call[None]):
    """Asks for a model to be loaded; the response comes once it is ready."""

    method = "RepositoryModelLoad"

    def message(self) -> Any:
        """See `Call`."""
        return messages.RepositoryModelLoadRequest(model_name=self.model)

    def read(self, response: bytes) -> None:
        """See `Call`."""
        parsed(messages.RepositoryModelLoadResponse, response)


class _Unload(Call[None]):
    """Asks for a model to be unloaded; the response comes once it takes no new requests."""

    method = "RepositoryModelUnload"

    def message(self) -> Any:
        """See `Call`."""
        return messages.RepositoryModelUnloadRequest(model_name=self.model)

    def read(self, response: bytes) -> None:
        """See `Call`."""
        parsed(messages.RepositoryModelUnloadResponse, response)


def index() -> Conversation[list[ModelState]]:
    """Asks for every version of every model, by name."""
    states: list[ModelState] = yield _Index("")
    return sorted(states, key=lambda each: (each.name, each.version))


def load(model: str) -> Conversation[list[str]]:
    """Has a model loaded, or what is new of it, and returns the versions that are ready then."""
    yield _Load(model)
    states = yield from index()
    return [each.version for each in states if each.name == model and each.state == READY]


def unload(model: str) -> Conversation[None]:
    """Has a model answer the requests that it has, and take no others."""
    yield _Unload(model)
