"""How long a call may take, and whether a failed one is tried again."""

import math
import random
import re
import time
import uuid
from collections.abc import Iterator
from typing import Final

import grpc

from atelier._errors import AtelierError, Draining, Unreachable, from_status
from atelier._retry_budget import RetryBudget

FIRST_PAUSE: Final = 0.25
"""Seconds; gRPC itself connects again after 0.2."""
LONGEST_PAUSE: Final = 2.0

LONGEST_TIMEOUT: Final = 1e9
"""Seconds, some thirty years; beyond 7e9, gRPC's clock takes the deadline for one that passed."""

_NOT_CONNECTED: Final = re.compile("[Ff]ailed to connect|resolution failed")
"""What gRPC says where no server has seen the request."""


class UseClientDefault:
    """The type of `USE_CLIENT_DEFAULT`."""

    def __repr__(self) -> str:
        return "USE_CLIENT_DEFAULT"


USE_CLIENT_DEFAULT: Final = UseClientDefault()
"""Stands for "the client's own timeout", which None cannot: None means no limit."""


def checked_timeout(timeout: float | None) -> float | None:
    """Returns `timeout` or raises ValueError.

    Args:
        timeout: Seconds above 0 and up to LONGEST_TIMEOUT, or None for no limit.
    """
    if timeout is not None and not 0 < timeout <= LONGEST_TIMEOUT:
        raise ValueError(
            f"timeout {timeout!r}: give seconds above 0 and up to {LONGEST_TIMEOUT:g}; in Python, "
            "None means no limit"
        )
    return timeout


class RetryPolicy:
    """The time and the attempts of one call, counted from the moment this is made or started.

    Args:
        timeout: Seconds for everything together, or None for no limit.
        retries: Attempts after the first, or None for as many as the time allows. While a server
            swaps a model for its next version, it takes the time that is left, unless this is 0.
        url: The server's address, for the error.
        budget: What the retries of all calls share.

    Attributes:
        request_id: Names the call in the server's log and in its error.
        tried: The servers at which the call failed after its last pause.
    """

    def __init__(
        self, timeout: float | None, retries: int | None, url: str, budget: RetryBudget
    ) -> None:
        self.timeout = checked_timeout(timeout)
        self.request_id = uuid.uuid4().hex[:16]
        self.tried: frozenset[str] = frozenset()
        self._url = url
        self._retries = math.inf if retries is None else retries
        self._budget = budget
        self._failed = 0
        self._paid = False
        self._elsewhere = False
        self.start()

    def start(self) -> None:
        """Has the time begin now, for a call that had to wait before it could begin."""
        self._deadline = math.inf if self.timeout is None else time.monotonic() + self.timeout

    def remaining(self) -> float | None:
        """Seconds that are left, or None for no limit.

        Raises:
            DeadlineExceeded: None are left.
        """
        if self.timeout is None:
            return None
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self.exceeded()
        return left

    def exceeded(self) -> AtelierError:
        """The DeadlineExceeded of a call whose time is over."""
        status = grpc.StatusCode.DEADLINE_EXCEEDED
        return from_status(status, "", url=self._url, model=None, timeout=self.timeout)

    @property
    def is_retrying(self) -> bool:
        """Whether an attempt failed before."""
        return self._failed > 0

    def served(self) -> None:
        """Learns that the last attempt was answered."""
        self._budget.served(paid=self._paid)
        self._paid = False

    def failed_at(self, server: str | None, *, elsewhere: bool) -> None:
        """Learns which of several servers failed, and whether another may answer at once."""
        self._elsewhere = elsewhere
        if server is not None:
            self.tried |= {server}

    def pauses_after(self, error: AtelierError) -> Iterator[float]:
        """The pauses, in seconds, before the next attempt may be made.

        There is one, twice as long each time, and jittered; none if another server may answer. More
        follow while the budget has no token for an attempt that adds to the load.

        Raises:
            AtelierError: `error` itself, where another attempt cannot help or is not left.
        """
        # A model that is unavailable for the moment comes back: its server is at work on it.
        unavailable = isinstance(error, Unreachable) and error.code is grpc.StatusCode.NOT_FOUND
        none_left = self._failed >= self._retries and not (unavailable and self._retries)
        if none_left or not error.another_attempt_may_help:
            raise error
        if not self._elsewhere:
            self.tried = frozenset()
            yield self._pause(error)
        self._elsewhere = False
        self._paid = _adds_to_the_load(error)
        while self._paid and not self._budget.spend():
            yield self._pause(error)
        self._failed += 1

    def _pause(self, error: AtelierError) -> float:
        # 2**n would overflow for whoever waits for hours.
        longest = min(FIRST_PAUSE * 2 ** min(self._failed, 10), LONGEST_PAUSE)
        pause = random.uniform(longest / 2, longest)  # noqa: S311
        # An attempt with less time than the pause before it would only hide this error.
        if time.monotonic() + 2 * pause >= self._deadline:
            raise error
        return pause


def _adds_to_the_load(error: AtelierError) -> bool:
    """Whether a server that has too much to do may do more for another attempt after `error`."""
    if not isinstance(error, Unreachable):
        return True
    # There is no code where a model is asked for its readiness, which is no work.
    refused = isinstance(error, Draining) or error.code in (None, grpc.StatusCode.NOT_FOUND)
    return not refused and not _NOT_CONNECTED.search(error.details)
