"""The errors of the client, and how a gRPC status becomes one of them.

The tree, to be caught by meaning:

    AtelierError
    ├── InvalidRequest     the request is wrong: change it   (also a ValueError)
    ├── Overloaded         the server has too much to do: come back later
    ├── DeadlineExceeded   the timeout passed                (also a TimeoutError)
    ├── Unreachable        nobody serves it at the moment    (also a ConnectionError)
    └── ServerFailed       the server failed on a request that may well be right

Triton answers a full queue, an expired queue time, a drain and a restricted protocol with the one
status UNAVAILABLE, which is also what gRPC says when nobody listens. Only the message tells them
apart, so the messages are part of the mapping.
"""

# ruff: noqa: N818 - the names say what happened; the base class says that it is an error.

import re

import grpc


class AtelierError(Exception):
    """The base of every error that this client raises for an answer it did not get.

    Attributes:
        code: The gRPC status, or None where the client found the fault before it sent anything.
        details: The server's own message without gRPC's and Triton's wrapping; empty if none.
        model: The name of the model that was asked, or None.
        request_id: What the server's log calls the call; empty where nothing was sent.
    """

    def __init__(
        self,
        message: str,
        *,
        code: grpc.StatusCode | None = None,
        details: str = "",
        model: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.details = details
        self.model = model
        self.request_id = ""

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message} [request id: {self.request_id}]" if self.request_id else message

    @property
    def another_attempt_may_help(self) -> bool:
        """Whether the same request may well succeed a little later."""
        return False


class InvalidRequest(AtelierError, ValueError):
    """The request is wrong: a broken image, an unknown style, a model that is not served."""


class Overloaded(AtelierError):
    """The server lives but has too much to do: its queue is full or took too long."""

    @property
    def another_attempt_may_help(self) -> bool:
        """True: queues get shorter."""
        return True


class DeadlineExceeded(AtelierError, TimeoutError):
    """The timeout passed before the answer was there."""


class Unreachable(AtelierError, ConnectionError):
    """No server answered: nobody listens, the connection broke, or the server shuts down.

    Or a server answered that does not serve the model at the moment: it is being swapped for its
    next version, or did not load. `code` is NOT_FOUND then.
    """

    @property
    def another_attempt_may_help(self) -> bool:
        """True, unless the client itself closed the connection."""
        return self.code is not grpc.StatusCode.CANCELLED


class ServerFailed(AtelierError):
    """The server failed, or answered something that is no answer."""


_BY_STATUS: dict[grpc.StatusCode, type[AtelierError]] = {
    grpc.StatusCode.CANCELLED: Unreachable,
    grpc.StatusCode.UNKNOWN: ServerFailed,
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.NOT_FOUND: InvalidRequest,
    grpc.StatusCode.ALREADY_EXISTS: InvalidRequest,
    grpc.StatusCode.PERMISSION_DENIED: InvalidRequest,
    grpc.StatusCode.UNAUTHENTICATED: InvalidRequest,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Overloaded,
    grpc.StatusCode.FAILED_PRECONDITION: InvalidRequest,
    grpc.StatusCode.ABORTED: ServerFailed,
    grpc.StatusCode.OUT_OF_RANGE: InvalidRequest,
    grpc.StatusCode.UNIMPLEMENTED: InvalidRequest,
    grpc.StatusCode.INTERNAL: ServerFailed,
    grpc.StatusCode.UNAVAILABLE: Unreachable,
    grpc.StatusCode.DATA_LOSS: ServerFailed,
}

_NO_VERSION = "has no available versions"

# Messages that mean something else than their status says. All of them are Triton's, but for two of
# gRPC: a message too large, for which waiting does not help, and a web server that is no Triton.
_BY_MESSAGE: list[tuple[grpc.StatusCode, str, type[AtelierError]]] = [
    (grpc.StatusCode.UNAVAILABLE, "Exceeds maximum queue size", Overloaded),
    (grpc.StatusCode.UNAVAILABLE, "Request timeout expired", Overloaded),
    (grpc.StatusCode.UNAVAILABLE, "This protocol is restricted", InvalidRequest),
    # Only of a version that the request names: it was replaced, or it is not loaded yet.
    (grpc.StatusCode.UNAVAILABLE, "is not at ready state", InvalidRequest),
    (grpc.StatusCode.NOT_FOUND, _NO_VERSION, Unreachable),
    (grpc.StatusCode.RESOURCE_EXHAUSTED, "larger than max", InvalidRequest),
    (grpc.StatusCode.UNIMPLEMENTED, "Received http2 header", Unreachable),
]

_OPENING: dict[type[AtelierError], str] = {
    Overloaded: "the server at {url} has too much to do",
    DeadlineExceeded: "the server at {url} did not answer {within}",
    Unreachable: "cannot reach the server at {url}",
    ServerFailed: "the server at {url} failed",
}

_OPENING_UNAVAILABLE = (
    "the server at {url} does not serve it at the moment; a model is being swapped, or did not load"
)

# What gRPC itself says of these two, only those understand who know gRPC.
_ADVICE: dict[type[AtelierError], str] = {
    Unreachable: "check that it runs and that the address is right; the port is the one for gRPC, "
    "8001 unless set otherwise, and not 8000, which is for HTTP",
    DeadlineExceeded: "give it more time with timeout= in Python or --timeout on the command line, "
    "or check the address",
}
_CLEAR_ALREADY = re.compile(f"Server is stopping|{_NO_VERSION}|the client was closed")

_WRAPPING = re.compile(r"in ensemble '[^']*', |\[request id: [^]]*\] ?")


def from_status(
    code: grpc.StatusCode, details: str, *, url: str, model: str | None, timeout: float | None
) -> AtelierError:
    """Turns a gRPC status into the error that tells a caller what it means.

    A refusal of the request keeps the server's sentence alone, since it speaks of the request;
    every other error begins with the server's address, since it speaks of the server. What gRPC
    said stands at the end, in parentheses.
    """
    kind = _BY_STATUS.get(code, ServerFailed)
    for status, message, meaning in _BY_MESSAGE:
        if code is status and message in details:
            kind = meaning
    details = _WRAPPING.sub("", details).strip()
    within = "in time" if timeout is None else f"within the timeout of {timeout:g} s"
    opening = _OPENING_UNAVAILABLE if _NO_VERSION in details else _OPENING.get(kind, "")
    opening = opening.format(url=url, within=within)
    if kind in _ADVICE and not _CLEAR_ALREADY.search(details):
        message = f"{opening}: {_ADVICE[kind]}" + (f" ({details})" if details else "")
    else:
        message = ": ".join(part for part in (opening, details) if part)
    return kind(message or f"refused with {code.name}", code=code, details=details, model=model)
