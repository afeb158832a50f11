"""Which requests are not even sent, since servers with too much to do refuse most of their kind."""

import math
import random
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Final

MULTIPLIER: Final = 2.0
"""Requests that are sent for each that is taken, where more are there."""
ALLOWANCE: Final = 5.0
"""Refusals are as if so many more had been taken, so that a caller with little to send is heard."""
MEMORY: Final = 2.0
"""Seconds after which an outcome counts 1/e."""


@dataclass
class _Recent:
    """How many requests of a kind there were of late, and how many of them were taken."""

    requests: float = 0.0
    taken: float = 0.0
    at: float = 0.0

    def fade(self, now: float) -> None:
        """Has what was before count for less."""
        decay = math.exp((self.at - now) / MEMORY)
        self.requests *= decay
        self.taken *= decay
        self.at = now


class Throttle:
    """The adaptive throttling of a client, to be shared by all of its calls and by threads.

    To refuse a request costs a server some of the time in which it could answer another, the more
    the cheaper the model is. So who is refused sends less: of r requests of a kind of late, those
    that were not sent included, of which a were taken, a request is not sent with the probability

        max(0, (r - MULTIPLIER * (a + ALLOWANCE)) / (r + 1))

    which is 0 until more than half of them are refused. See Beyer et al., "Site Reliability
    Engineering", 2016, chapter 21, "Client-Side Throttling"; there, nothing is allowed beside, and
    the counts are those of two minutes.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Takes seconds that never go back, and draws from 0 to 1."""
        self._clock = clock
        self._draw = draw
        self._lock = threading.Lock()
        self._recent: dict[Hashable, _Recent] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), ()

    def admits(self, kind: Hashable) -> bool:
        """Whether a request may be sent; if not, it counts as one that was refused.

        Args:
            kind: Requests of one kind are taken or refused for the same reasons.
        """
        with self._lock:
            recent = self._now(kind)
            excess = recent.requests - MULTIPLIER * (recent.taken + ALLOWANCE)
            admitted = self._draw() >= excess / (recent.requests + 1)
            recent.requests += not admitted
            return admitted

    def learn(self, kind: Hashable, *, taken: bool) -> None:
        """Learns whether a request that was sent was taken, or refused for too much to do."""
        with self._lock:
            recent = self._now(kind)
            recent.requests += 1
            recent.taken += taken

    def _now(self, kind: Hashable) -> _Recent:
        recent = self._recent.setdefault(kind, _Recent())
        recent.fade(self._clock())
        return recent
