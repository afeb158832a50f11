"""What carries the bytes of a request to a server, and those of its response back."""

import asyncio
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

import grpc

from atelier._access import Access
from atelier._channel import options_for
from atelier._per_loop import PerLoop

_SERVICE: Final = "/inference.GRPCInferenceService/"


@dataclass(frozen=True)
class Request:
    """A request on its way.

    Attributes:
        method: The method of `inference.GRPCInferenceService`.
        model: The model that is asked; "" where the request is to the server itself.
        body: The message, serialised.
        id: Names the caller's call, which may take several requests, in logs and in errors.
        tried: Targets at which the call failed, of several servers.
        traceparent: The caller's span, as W3C Trace Context writes it.
    """

    method: str
    model: str
    body: bytes
    id: str = ""
    tried: frozenset[str] = frozenset()
    traceparent: str = ""

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The headers of the request."""
        named = {"x-request-id": self.id, "traceparent": self.traceparent}
        return tuple((name, value) for name, value in named.items() if value)


class StatusError(Exception):
    """A request that was not answered.

    Attributes:
        code: Its gRPC status.
        details: What the server said, or gRPC.
        server: The target that failed, of several.
        elsewhere: Whether another one may answer at once.
    """

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(code, details)
        self.code = code
        self.details = details
        self.server: str | None = None
        self.elsewhere = False


class Transport(Protocol):
    """What a `Client` sends through; threads share it."""

    def send(self, request: Request, timeout: float | None) -> bytes:
        """Sends a request and returns the message of the response.

        Args:
            request: The request.
            timeout: Seconds, or None for no limit.

        Raises:
            StatusError: There is no response. After `close`, also for a request under way, the
                code is CANCELLED.
        """

    def close(self) -> None:
        """Ends the connection."""


class AsyncTransport(Protocol):
    """What an `AsyncClient` sends through."""

    async def send_async(self, request: Request, timeout: float | None) -> bytes:
        """Sends a request as `Transport.send` does."""

    async def close_async(self) -> None:
        """Ends the connection."""


class GrpcTransport:
    """A gRPC channel. It connects with its first request."""

    def __init__(self, target: str, access: Access, name: str = "") -> None:
        """Makes the channel to a gRPC target, see `target_of`; `name` as in `options_for`."""
        self._arguments = (target, access, name)
        self._access = access
        self._channel = _channel(grpc, target, access, name)
        self._closed = False
        # A channel that is only let go of connects on and on.
        weakref.finalize(self, self._channel.close).atexit = False

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._arguments

    def send(self, request: Request, timeout: float | None) -> bytes:
        """See `Transport`."""
        with self._errors():
            call = self._channel.unary_unary(_SERVICE + request.method)
            metadata = request.metadata + self._access.metadata
            response: bytes = call(request.body, timeout=timeout, metadata=metadata)
            return response

    def begin(self, request: Request, timeout: float | None) -> Any:
        """Sends a request and returns the call, a `grpc.Future`, whose result is for `result`."""
        with self._errors():
            call = self._channel.unary_unary(_SERVICE + request.method)
            metadata = request.metadata + self._access.metadata
            return call.future(request.body, timeout=timeout, metadata=metadata)

    def result(self, call: Any, timeout: float) -> bytes | None:
        """The response of a call, or None if it is not there within so many seconds.

        Raises:
            StatusError: As in `send`.
        """
        with self._errors():
            try:
                response: bytes = call.result(timeout)
            except grpc.FutureTimeoutError:
                return None
            except grpc.FutureCancelledError as error:
                raise _closed() from error
            return response

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as error:
            raise _status_error(error) from error
        except ValueError as error:
            # What gRPC says of a channel that another thread has closed.
            if self._closed:
                raise _closed() from error
            raise

    def close(self) -> None:
        """See `Transport`."""
        self._closed = True
        self._channel.close()


class AsyncGrpcTransport:
    """The twin of `GrpcTransport` for asyncio."""

    def __init__(self, target: str, access: Access, name: str = "") -> None:
        """Takes what `GrpcTransport` does."""
        self._arguments = (target, access, name)
        self._access = access
        # Made with the first request of a loop, since a channel binds itself to the loop that runs.
        self._channels: PerLoop[Any] = PerLoop(partial(_async_channel, *self._arguments))
        self._closed = False

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._arguments

    async def send_async(self, request: Request, timeout: float | None) -> bytes:
        """See `AsyncTransport`."""
        self._check_open()
        call = self._channels.here().unary_unary(_SERVICE + request.method)
        metadata = request.metadata + self._access.metadata
        try:
            response: bytes = await call(request.body, timeout=timeout, metadata=metadata)
        except grpc.RpcError as error:
            raise _status_error(error) from error
        except grpc.aio.UsageError as error:
            # What gRPC says of a channel that another task has closed.
            self._check_open(error)
            raise
        except asyncio.CancelledError as error:
            # A closing channel cancels its calls in the same way as somebody cancels the task.
            task = asyncio.current_task()
            if task is not None and not task.cancelling():
                self._check_open(error)
            raise
        return response

    def _check_open(self, cause: BaseException | None = None) -> None:
        if self._closed:
            raise _closed() from cause

    async def close_async(self) -> None:
        """See `AsyncTransport`."""
        self._closed = True
        channel = self._channels.pop()
        if channel is not None:
            await channel.close()


def _async_channel(target: str, access: Access, name: str) -> Any:
    return _channel(grpc.aio, target, access, name)


def _channel(kind: Any, target: str, access: Access, name: str) -> Any:
    """A channel of `kind`, the module `grpc` or `grpc.aio`."""
    options = options_for(target, name)
    if access.tls is None:
        return kind.insecure_channel(target, options=options)
    return kind.secure_channel(target, access.tls.credentials(), options=options)


def _status_error(error: grpc.RpcError) -> StatusError:
    return StatusError(error.code(), error.details() or "")


def _closed() -> StatusError:
    return StatusError(grpc.StatusCode.CANCELLED, "the client was closed")
