"""What carries requests to several servers, see `_balancer`."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, TypeVar

import grpc

from atelier._access import Access, Tls
from atelier._balancer import PROBE_SECONDS, Attempt, Balancer
from atelier._channel import targets_of
from atelier._resolver import Resolver
from atelier._transport import (
    AsyncGrpcTransport,
    AsyncTransport,
    GrpcTransport,
    Request,
    StatusError,
    Transport,
)

One = TypeVar("One", GrpcTransport, AsyncGrpcTransport)

_PROBE: Final = Request("ServerLive", "", b"")
_LOOK_SECONDS: Final = 0.5
"""How often a request that waits looks whether its server still answers."""


def transport_to(
    url: str | Sequence[str], tls: bool | Tls | None = None, token: str | None = None
) -> Transport:
    """The transport to one address or several.

    Args:
        url: See `targets_of`.
        tls: See `Access.of`.
        token: See `Access.of`.

    Raises:
        OSError: A file of `tls` or with the token cannot be read.
        ValueError: What is given cannot be used.
    """
    targets, access = targets_of(url), Access.of(tls, token)
    if _may_be_several(targets):
        return BalancedTransport(targets, access)
    return GrpcTransport(targets[0], access)


def async_transport_to(
    url: str | Sequence[str], tls: bool | Tls | None = None, token: str | None = None
) -> AsyncTransport:
    """The twin of `transport_to` for asyncio."""
    targets, access = targets_of(url), Access.of(tls, token)
    if _may_be_several(targets):
        return AsyncBalancedTransport(targets, access)
    return AsyncGrpcTransport(targets[0], access)


def _may_be_several(targets: Sequence[str]) -> bool:
    return len(targets) > 1 or (
        targets[0].startswith("dns:///") and not targets[0].startswith("dns:///localhost:")
    )


class _Servers(Generic[One]):
    """The servers behind targets, and the connection to each."""

    def __init__(
        self, targets: Sequence[str], access: Access, connect: Callable[[str, Access, str], One]
    ) -> None:
        self.resolver = Resolver(targets)
        self.balancer = Balancer()
        self._access = access
        self._connect: Callable[[str, Access, str], One] = connect
        self._lock = threading.Lock()
        self._connections: dict[str, One] = {}

    def update(self) -> None:
        """Takes up what the names stand for now."""
        targets = self.resolver.targets()
        self.balancer.keep(targets)
        with self._lock:
            # Whoever still has a request there keeps the connection open.
            for gone in self._connections.keys() - targets:
                del self._connections[gone]

    def to(self, target: str) -> One:
        """The connection to a server."""
        with self._lock:
            if target not in self._connections:
                name = self.resolver.name_of(target)
                self._connections[target] = self._connect(target, self._access, name)
            return self._connections[target]

    def all(self) -> list[One]:
        """Every connection."""
        with self._lock:
            return list(self._connections.values())


class BalancedTransport:
    """gRPC channels to several servers; see `Transport`."""

    def __init__(self, targets: Sequence[str], access: Access) -> None:
        """Takes gRPC targets, see `targets_of`; behind a name may be several servers."""
        self._arguments = (targets, access)
        self._servers = _Servers(targets, access, GrpcTransport)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._arguments

    def send(self, request: Request, timeout: float | None) -> bytes:
        """See `Transport`."""
        servers, balancer = self._servers, self._servers.balancer
        servers.update()
        if not servers.resolver.known:
            start = time.monotonic()
            servers.resolver.wait(timeout)
            servers.update()
            timeout = _left(timeout, start)
        with balancer.attempt(request.tried) as attempt:
            self._probe()
            connection = servers.to(attempt.server.target)
            call = connection.begin(request, timeout)
            try:
                while (response := connection.result(call, _LOOK_SECONDS)) is None:
                    self._probe(attempt)
                    if balancer.is_lost(attempt):
                        raise _lost()
                return response
            finally:
                call.cancel()

    def close(self) -> None:
        """See `Transport`."""
        for connection in self._servers.all():
            connection.close()

    def _probe(self, attempt: Attempt | None = None) -> None:
        for target in self._servers.balancer.due_probes(attempt):
            probe = self._servers.to(target).begin(_PROBE, PROBE_SECONDS)

            def learn(probe: Any, target: str = target) -> None:
                code = probe.code()
                answered = None if code is grpc.StatusCode.OK else code
                self._servers.balancer.probed(target, answered, probe.details() or "")

            probe.add_done_callback(learn)


class AsyncBalancedTransport:
    """The twin of `BalancedTransport` for asyncio."""

    def __init__(self, targets: Sequence[str], access: Access) -> None:
        """Takes gRPC targets, see `targets_of`; behind a name may be several servers."""
        self._arguments = (targets, access)
        self._servers = _Servers(targets, access, AsyncGrpcTransport)
        self._probes: set[asyncio.Task[None]] = set()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._arguments

    async def send_async(self, request: Request, timeout: float | None) -> bytes:
        """See `AsyncTransport`."""
        servers, balancer = self._servers, self._servers.balancer
        servers.update()
        if not servers.resolver.known:
            start = time.monotonic()
            await asyncio.to_thread(servers.resolver.wait, timeout)
            servers.update()
            timeout = _left(timeout, start)
        with balancer.attempt(request.tried) as attempt:
            self._probe()
            connection = servers.to(attempt.server.target)
            call = asyncio.ensure_future(connection.send_async(request, timeout))
            try:
                while not (await asyncio.wait({call}, timeout=_LOOK_SECONDS))[0]:
                    self._probe(attempt)
                    if balancer.is_lost(attempt):
                        raise _lost()
                return call.result()
            finally:
                call.cancel()

    async def close_async(self) -> None:
        """See `AsyncTransport`."""
        for connection in self._servers.all():
            await connection.close_async()

    def _probe(self, attempt: Attempt | None = None) -> None:
        for target in self._servers.balancer.due_probes(attempt):
            probe = asyncio.create_task(self._learn(target))
            self._probes.add(probe)
            probe.add_done_callback(self._probes.discard)

    async def _learn(self, target: str) -> None:
        balancer = self._servers.balancer
        try:
            await self._servers.to(target).send_async(_PROBE, PROBE_SECONDS)
        except StatusError as error:
            balancer.probed(target, error.code, error.details)
        else:
            balancer.probed(target, None)


def _left(timeout: float | None, start: float) -> float | None:
    if timeout is None:
        return None
    left = timeout - (time.monotonic() - start)
    if left <= 0:
        raise StatusError(grpc.StatusCode.DEADLINE_EXCEEDED, "its name was not looked up in time")
    return left


def _lost() -> StatusError:
    return StatusError(grpc.StatusCode.UNAVAILABLE, "it stopped answering")
