"""Which of several servers gets a request, and which of them are set aside; without I/O.

A request goes to the server with the least in flight. A server that drains, is out of reach or has
too much to do is set aside at once, one that fails or is too late, after several failures in a row.
One that says nothing for a while, though it has requests, is probed, and set aside if it does not
answer that. Whatever is set aside is probed later, each time after twice as long, and comes back
with the first answer. If all are set aside, they are used all the same.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import grpc

from atelier._errors import (
    DeadlineExceeded,
    InvalidRequest,
    NotAllowed,
    Overloaded,
    Unreachable,
    kind_of,
)
from atelier._transport import StatusError

FAILURES: Final = 5
"""In a row, after which a server is set aside."""
FIRST_ASIDE: Final = 1.0
"""Seconds for which it is, doubled each time up to LONGEST_ASIDE."""
LONGEST_ASIDE: Final = 10.0
OVERLOADED_ASIDE: Final = 0.25
"""The same for a server that has too much to do."""
SILENCE: Final = 1.0
"""Seconds without an answer, after which a server with requests is probed."""
PROBE_SECONDS: Final = 2.0
"""For a probe. A server that does a probe's little work does not need them."""


@dataclass(eq=False)
class Server:
    """What is known of a server.

    Attributes:
        target: Its gRPC target.
        in_flight: Requests that it has.
        failures: How many there were after its last answer.
        aside: Whether it is set aside.
        aside_at: When it was set aside.
        times_aside: How often it was, after its last answer.
        probe_at: When it may be probed.
        heard_at: When it last answered anything.
        hung_at: When a probe last failed.
        turn: When it last got a request, as a number that grows.
    """

    target: str
    in_flight: int = 0
    failures: int = 0
    aside: bool = False
    aside_at: float = 0.0
    times_aside: int = 0
    probe_at: float = 0.0
    heard_at: float = 0.0
    hung_at: float = -1.0
    turn: int = 0


@dataclass(eq=False, frozen=True)
class Attempt:
    """A request that a server has, since `began_at`."""

    server: Server
    began_at: float


class Balancer:
    """The servers of a client, to be shared between threads.

    Args:
        clock: Seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._servers: dict[str, Server] = {}
        self._turn = 0

    def keep(self, targets: Iterable[str]) -> None:
        """Takes servers that are new, and lets go of those that are no more."""
        with self._lock:
            self._servers = {
                target: self._servers.get(target) or Server(target) for target in targets
            }

    @contextmanager
    def attempt(self, tried: Collection[str] = ()) -> Iterator[Attempt]:
        """Gives a request to a server, and learns from how the block ends.

        Args:
            tried: The targets at which the same call failed.

        Raises:
            StatusError: That of the block, with `server`, and with `elsewhere`.
        """
        attempt = self._begin(tried)
        try:
            yield attempt
        except StatusError as error:
            error.server = attempt.server.target
            if error.code is not grpc.StatusCode.CANCELLED:  # By the caller.
                error.elsewhere = self._failed(attempt, error, tried)
            raise
        else:
            self._answered(attempt)
        finally:
            with self._lock:
                attempt.server.in_flight -= 1

    def due_probes(self, attempt: Attempt | None = None) -> list[str]:
        """The targets that are to be probed now; each is returned once.

        Args:
            attempt: One that waits for its answer.
        """
        with self._lock:
            now = self._clock()
            due = [
                server
                for server in self._servers.values()
                if now >= server.probe_at
                and (server.aside or (attempt is not None and self._silent(server, attempt, now)))
            ]
            for server in due:
                # Where nobody says what came of the probe, it is made once more.
                server.probe_at = now + 2 * PROBE_SECONDS
            return [server.target for server in due]

    def probed(self, target: str, code: grpc.StatusCode | None, details: str = "") -> None:
        """Learns what a probe of PROBE_SECONDS ended with; None is an answer."""
        with self._lock:
            server = self._servers.get(target)
            if server is None:
                return
            now = self._clock()
            if code is None or not issubclass(
                kind_of(code, details), Unreachable | DeadlineExceeded
            ):
                server.heard_at = now
                if server.aside:
                    # One more failure sets it aside again.
                    server.aside, server.failures = False, FAILURES - 1
            else:
                server.hung_at = now
                self._set_aside(server, FIRST_ASIDE)

    def is_lost(self, attempt: Attempt) -> bool:
        """Whether a request's server does not answer any more, and another one may."""
        with self._lock:
            return attempt.server.hung_at > attempt.began_at and self._other(
                {attempt.server.target}
            )

    def has_other(self, target: str) -> bool:
        """Whether another server than this one is not set aside."""
        with self._lock:
            return self._other({target})

    def _begin(self, tried: Collection[str]) -> Attempt:
        with self._lock:
            self._turn += 1
            server = min(
                self._servers.values(),
                key=lambda each: (each.aside, each.target in tried, each.in_flight, each.turn),
            )
            server.in_flight += 1
            server.turn = self._turn
            return Attempt(server, self._clock())

    def _answered(self, attempt: Attempt) -> None:
        server = attempt.server
        with self._lock:
            server.heard_at = self._clock()
            if attempt.began_at >= server.aside_at:  # Else it may well be finishing and stopping.
                server.aside = False
                server.failures = server.times_aside = 0

    def _failed(self, attempt: Attempt, error: StatusError, tried: Collection[str]) -> bool:
        """Learns from a failure, and returns whether another server may answer at once."""
        server = attempt.server
        kind = kind_of(error.code, error.details)
        if issubclass(kind, InvalidRequest | NotAllowed):
            self._answered(attempt)
            return False
        with self._lock:
            server.failures += 1
            unable = issubclass(kind, Unreachable | Overloaded) or server.failures >= FAILURES
            if unable and not server.aside:
                overloaded = issubclass(kind, Overloaded)
                self._set_aside(server, OVERLOADED_ASIDE if overloaded else FIRST_ASIDE)
            return self._other({server.target, *tried})

    def _set_aside(self, server: Server, first: float) -> None:
        now = self._clock()
        seconds = min(first * 2 ** min(server.times_aside, 10), LONGEST_ASIDE)
        server.aside, server.aside_at, server.probe_at = True, now, now + seconds
        server.times_aside += 1

    def _other(self, targets: Collection[str]) -> bool:
        return any(
            not server.aside and server.target not in targets for server in self._servers.values()
        )

    def _silent(self, server: Server, attempt: Attempt, now: float) -> bool:
        return server is attempt.server and now - max(attempt.began_at, server.heard_at) > SILENCE
