"""The errors of the client, and how a gRPC status becomes one of them.

The tree, to be caught by meaning:

    AtelierError
    ├── InvalidRequest     the request is wrong: change it   (also a ValueError)
    ├── NotAllowed         the caller lacks the right to it  (also a PermissionError)
    ├── Overloaded         the server has too much to do: come back later
    ├── DeadlineExceeded   the timeout passed                (also a TimeoutError)
    ├── Unreachable        nobody serves it at the moment    (also a ConnectionError)
    │   └── Draining       the server is shutting down
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


class NotAllowed(AtelierError, PermissionError):
    """The server wants a token or a certificate that the caller does not have."""


class Overloaded(AtelierError):
    """The server lives but has too much to do: its queue is full or took too long.

    Or its shared memory is full of other requests. `code` is None where the request was not sent,
    since most like it had just been refused.
    """

    @property
    def another_attempt_may_help(self) -> bool:
        """True: queues get shorter."""
        return True


class DeadlineExceeded(AtelierError, TimeoutError):
    """The timeout passed before the answer was there."""


class Unreachable(AtelierError, ConnectionError):
    """No server answered: nobody listens, or the connection broke.

    Or a server answered that does not serve the model at the moment: it is being swapped for its
    next version, or did not load. `code` is NOT_FOUND then. INTERNAL: its process has just died.
    """

    @property
    def another_attempt_may_help(self) -> bool:
        """True, unless the client itself closed the connection, or TLS fails for good."""
        return self.code is not grpc.StatusCode.CANCELLED and not _tls_advice(self.details)


class Draining(Unreachable):
    """The server finishes what it accepted, and takes nothing more."""


class ServerFailed(AtelierError):
    """The server failed, or answered something that is no answer."""


_BY_STATUS: dict[grpc.StatusCode, type[AtelierError]] = {
    grpc.StatusCode.CANCELLED: Unreachable,
    grpc.StatusCode.UNKNOWN: ServerFailed,
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.NOT_FOUND: InvalidRequest,
    grpc.StatusCode.ALREADY_EXISTS: InvalidRequest,
    grpc.StatusCode.PERMISSION_DENIED: NotAllowed,
    grpc.StatusCode.UNAUTHENTICATED: NotAllowed,
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
_DEAD_PROCESS = "is not healthy"
_TOO_LARGE = "Received http2 header with status: 413"

# Messages that mean something else than their status says. All of them are Triton's, but for those
# of gRPC: a message too large, for which waiting does not help, and a web server that is no Triton.
_BY_MESSAGE: list[tuple[grpc.StatusCode, str, type[AtelierError]]] = [
    (grpc.StatusCode.UNAVAILABLE, "Server is stopping", Draining),
    (grpc.StatusCode.UNAVAILABLE, "Exceeds maximum queue size", Overloaded),
    (grpc.StatusCode.UNAVAILABLE, "Request timeout expired", Overloaded),
    (grpc.StatusCode.UNAVAILABLE, "This protocol is restricted", NotAllowed),
    # Only of a version that the request names: it was replaced, or it is not loaded yet.
    (grpc.StatusCode.UNAVAILABLE, "is not at ready state", InvalidRequest),
    (grpc.StatusCode.NOT_FOUND, _NO_VERSION, Unreachable),
    # The process of a model died; the server starts it again.
    (grpc.StatusCode.INTERNAL, _DEAD_PROCESS, Unreachable),
    # The memory between Triton and its models is used by other requests.
    (grpc.StatusCode.INTERNAL, "Failed to increase the shared memory pool size", Overloaded),
    (grpc.StatusCode.RESOURCE_EXHAUSTED, "larger than max", InvalidRequest),
    (grpc.StatusCode.UNIMPLEMENTED, "Received http2 header", Unreachable),
    # A proxy's 413, "content too large", in gRPC's words.
    (grpc.StatusCode.UNKNOWN, _TOO_LARGE, InvalidRequest),
]

_OPENING: dict[type[AtelierError], str] = {
    Overloaded: "the server at {url} has too much to do",
    DeadlineExceeded: "the server at {url} did not answer {within}",
    Unreachable: "cannot reach the server at {url}",
    Draining: "the server at {url} is shutting down",
    NotAllowed: "the server at {url} does not allow it",
    ServerFailed: "the server at {url} failed",
}

_OPENING_UNAVAILABLE = (
    "the server at {url} does not serve it at the moment; a model is being swapped or started "
    "again, or did not load"
)

# What gRPC itself says of these two, only those understand who know gRPC.
_ADVICE: dict[type[AtelierError], str] = {
    Unreachable: "check that it runs and that the address is right; the port is the one for gRPC, "
    "8001 unless set otherwise, and not 8000, which is for HTTP",
    DeadlineExceeded: "give it more time with timeout= in Python or --timeout on the command line, "
    "or check the address",
}
_NOT_ALLOWED = (
    "it wants a token, and none or another one was sent: give it as token= in Python, or with "
    "--token-file or ATELIER_TOKEN on the command line"
)

# What a connection fails with that will never be encrypted: gRPC's words, and what they mean.
_TLS_ADVICE: list[tuple[str, str]] = [
    (
        "WRONG_VERSION_NUMBER",
        "it does not speak TLS: leave out tls= in Python, or --tls… and ATELIER_TLS… on the "
        "command line",
    ),
    (
        "certificate has expired",
        "its certificate has expired: the server needs a new one",
    ),
    (
        "certificate is not yet valid",
        "its certificate is not valid yet: compare the clocks of both machines",
    ),
    (
        "CERTIFICATE_VERIFY_FAILED|certificate signature failure",
        "no authority that this client trusts has signed its certificate: give the authority's "
        "own with tls=Tls(root_certificates=…) in Python or --tls-ca on the command line",
    ),
    (
        "Hostname Verification Check failed",
        "its certificate has no such name: use the name in the certificate as the address",
    ),
]
# Servers hang up on another protocol: HTTP, TLS, and TLS that asks for a certificate.
_HUNG_UP = re.compile(
    "(?:failed to connect to all addresses|connections to all backends failing).*Socket closed"
)
_HUNG_UP_ADVICE = (
    "it hung up: check that the port is the one for gRPC; if it speaks TLS, give tls= in Python or "
    "--tls-ca on the command line, and if it asks for a certificate, the client's own too"
)
_UNAVAILABLE = re.compile(f"{_NO_VERSION}|{_DEAD_PROCESS}")
_CLEAR_ALREADY = re.compile(f"Server is stopping|{_UNAVAILABLE.pattern}|the client was closed")

_WRAPPING = re.compile(r"in ensemble '[^']*', |\[request id: [^]]*\] ?")


def kind_of(code: grpc.StatusCode, details: str) -> type[AtelierError]:
    """The class of the error that a gRPC status becomes."""
    kind = _BY_STATUS.get(code, ServerFailed)
    for status, message, meaning in _BY_MESSAGE:
        if code is status and message in details:
            kind = meaning
    return kind


def from_status(
    code: grpc.StatusCode, details: str, *, url: str, model: str | None, timeout: float | None
) -> AtelierError:
    """Turns a gRPC status into the error that tells a caller what it means.

    A refusal of the request keeps the server's sentence alone, since it speaks of the request;
    every other error begins with the server's address, since it speaks of the server. What gRPC
    said stands at the end, in parentheses.
    """
    kind = kind_of(code, details)
    details = _WRAPPING.sub("", details).strip()
    within = "in time" if timeout is None else f"within the timeout of {timeout:g} s"
    opening = _OPENING_UNAVAILABLE if _UNAVAILABLE.search(details) else _OPENING.get(kind, "")
    opening = opening.format(url=url, within=within)
    advice = _advice(kind, details)
    if advice and not _CLEAR_ALREADY.search(details):
        sentence = ": ".join(part for part in (opening, advice) if part)
        message = sentence + (f" ({details})" if details else "")
    else:
        message = ": ".join(part for part in (opening, details) if part)
    return kind(message or f"refused with {code.name}", code=code, details=details, model=model)


def _advice(kind: type[AtelierError], details: str) -> str:
    if kind is NotAllowed and "This protocol is restricted" in details:
        return _NOT_ALLOWED
    if _TOO_LARGE in details:
        return "the message is too large for a proxy before the server"
    if kind is Unreachable and (advice := _tls_advice(details)):
        return advice
    if kind is Unreachable and _HUNG_UP.search(details):
        return _HUNG_UP_ADVICE
    return _ADVICE.get(kind, "")


def _tls_advice(details: str) -> str:
    return next((advice for words, advice in _TLS_ADVICE if re.search(words, details)), "")
