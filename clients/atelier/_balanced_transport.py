"""What carries requests to several servers, see `_balancer`."""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, TypeVar

import grpc

from atelier._access import Access, Tls
from atelier._balancer import PROBE_SECONDS, Attempt, Balancer
from atelier._channel import targets_of
from atelier._hedging import Hedging
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
    url: str | Sequence[str],
    tls: bool | Tls | None = None,
    token: str | None = None,
    hedging: Hedging | None = None,
) -> Transport:
    """The transport to one address or several.

    Args:
        url: See `targets_of`.
        tls: See `Access.of`.
        token: See `Access.of`.

        hedging: See `BalancedTransport`; one address has no use for it.

    Raises:
        OSError: A file of `tls` or with the token cannot be read.
        ValueError: What is given cannot be used.
    """
    targets, access = targets_of(url), Access.of(tls, token)
    if _may_be_several(targets):
        return BalancedTransport(targets, access, hedging)
    return GrpcTransport(targets[0], access)


def async_transport_to(
    url: str | Sequence[str],
    tls: bool | Tls | None = None,
    token: str | None = None,
    hedging: Hedging | None = None,
) -> AsyncTransport:
    """The twin of `transport_to` for asyncio."""
    targets, access = targets_of(url), Access.of(tls, token)
    if _may_be_several(targets):
        return AsyncBalancedTransport(targets, access, hedging)
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


@dataclass
class _Sending:
    """A request that is being sent, for another thread.

    Attributes:
        target: The server that has it; "" before one does.
        call: The call.
    """

    target: str = ""
    call: Any = None

    def cancel(self) -> None:
        """Has the server drop it, and its thread end."""
        if self.call is not None:
            self.call.cancel()


def _elsewhere(request: Request, sending: _Sending) -> Request:
    return replace(request, tried=request.tried | {sending.target})


class BalancedTransport:
    """gRPC channels to several servers; see `Transport`."""

    def __init__(
        self, targets: Sequence[str], access: Access, hedging: Hedging | None = None
    ) -> None:
        """Takes gRPC targets, see `targets_of`; behind a name may be several servers.

        Args:
            targets: The targets.
            access: How the client comes to each.
            hedging: With it, a request that takes long is sent to a second server as well.
        """
        self._arguments = (targets, access, hedging)
        self._hedging = hedging
        self._servers = _Servers(targets, access, GrpcTransport)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._arguments

    def send(self, request: Request, timeout: float | None) -> bytes:
        """See `Transport`."""
        if self._hedging is None:
            return self._send(request, timeout, _Sending())
        start = time.monotonic()
        delay = self._hedging.delay(request)
        response = (
            self._send(request, timeout, _Sending())
            if delay is None
            else self._send_hedged(request, timeout, delay)
        )
        self._hedging.learn(request, time.monotonic() - start)
        return response

    def _send_hedged(self, request: Request, timeout: float | None, delay: float) -> bytes:
        """Sends a request, and after `delay` seconds another; the first answer counts."""
        assert self._hedging
        start = time.monotonic()
        ended: queue.SimpleQueue[bytes | BaseException] = queue.SimpleQueue()
        first, second = _Sending(), _Sending()

        def run(request: Request, timeout: float | None, sending: _Sending) -> None:
            try:
                ended.put(self._send(request, timeout, sending))
            except BaseException as error:
                ended.put(error)

        def begin(*arguments: Any) -> None:
            threading.Thread(target=run, args=arguments, daemon=True).start()

        begin(request, timeout, first)
        try:
            try:
                outcome = ended.get(timeout=delay)
            except queue.Empty:
                hedged = self._servers.balancer.has_other(first.target) and self._hedging.spend()
                if hedged:
                    left = None if timeout is None else timeout - (time.monotonic() - start)
                    begin(_elsewhere(request, first), left, second)
                outcome = ended.get()
                if hedged and isinstance(outcome, StatusError):
                    outcome = ended.get()
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome
        finally:
            first.cancel()
            second.cancel()

    def _send(self, request: Request, timeout: float | None, sending: "_Sending") -> bytes:
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
            call = sending.call = connection.begin(request, timeout)
            sending.target = attempt.server.target
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

    def __init__(
        self, targets: Sequence[str], access: Access, hedging: Hedging | None = None
    ) -> None:
        """Takes what `BalancedTransport` takes."""
        self._arguments = (targets, access, hedging)
        self._hedging = hedging
        self._servers = _Servers(targets, access, AsyncGrpcTransport)
        self._probes: set[asyncio.Task[None]] = set()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._arguments

    async def send_async(self, request: Request, timeout: float | None) -> bytes:
        """See `AsyncTransport`."""
        if self._hedging is None:
            return await self._send(request, timeout, _Sending())
        start = time.monotonic()
        delay = self._hedging.delay(request)
        response = await (
            self._send(request, timeout, _Sending())
            if delay is None
            else self._send_hedged(request, timeout, delay)
        )
        self._hedging.learn(request, time.monotonic() - start)
        return response

    async def _send_hedged(self, request: Request, timeout: float | None, delay: float) -> bytes:
        """Sends a request, and after `delay` seconds another; the first answer counts."""
        assert self._hedging
        start = time.monotonic()
        first = _Sending()
        tasks = [asyncio.ensure_future(self._send(request, timeout, first))]
        try:
            await asyncio.wait(tasks, timeout=delay)
            waits = not tasks[0].done() and self._servers.balancer.has_other(first.target)
            if waits and self._hedging.spend():
                left = None if timeout is None else timeout - (time.monotonic() - start)
                second = self._send(_elsewhere(request, first), left, _Sending())
                tasks.append(asyncio.ensure_future(second))
            pending = set(tasks)
            while True:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    if not pending or task.exception() is None:
                        return task.result()
        finally:
            for task in tasks:
                task.cancel()

    async def _send(self, request: Request, timeout: float | None, sending: _Sending) -> bytes:
        servers, balancer = self._servers, self._servers.balancer
        servers.update()
        if not servers.resolver.known:
            start = time.monotonic()
            await asyncio.to_thread(servers.resolver.wait, timeout)
            servers.update()
            timeout = _left(timeout, start)
        with balancer.attempt(request.tried) as attempt:
            self._probe()
            sending.target = attempt.server.target
            connection = servers.to(sending.target)
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
