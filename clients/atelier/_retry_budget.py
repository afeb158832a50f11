"""How much retries may add to the load of servers that have too much to do."""

import threading
import time
from typing import Any, Final

RATIO: Final = 0.1
"""Retries that come to nothing, for each request that is served."""
RESERVE: Final = 10.0
"""As many retries may come to nothing at once."""
PER_SECOND: Final = 0.5
"""And as many beside, so that a caller with little to send is not left out."""


class RetryBudget:
    """A bucket of tokens, shared by all calls of a client and by threads.

    A retry takes a token, and brings it back if it is served. (gRPC's `retryThrottling` and the
    budget of Finagle work alike.) So whatever becomes of the servers, retries add no more than a
    tenth to what they serve, but for the reserve and a token every other second.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tokens = RESERVE
        self._at = time.monotonic()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), ()

    def spend(self) -> bool:
        """Takes a token for a retry; False if there is none."""
        with self._lock:
            now = time.monotonic()
            self._add((now - self._at) * PER_SECOND)
            self._at = now
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True

    def served(self, *, paid: bool) -> None:
        """Learns that a request was served, and whether it had taken a token."""
        with self._lock:
            self._add(1 if paid else RATIO)

    def _add(self, tokens: float) -> None:
        self._tokens = min(self._tokens + tokens, RESERVE)
