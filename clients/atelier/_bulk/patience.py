"""Waiting for a server that restarts or has too much to do."""

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final

from atelier._errors import AtelierError

_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 5.0


class GaveUpError(Exception):
    """The server answered nothing for too long.

    Attributes:
        error: What the last request ended with.
    """

    def __init__(self, error: AtelierError) -> None:
        super().__init__(str(error))
        self.error = error


class Patience:
    """How long a run goes on while the server answers nothing at all.

    Args:
        seconds: From the first failure after the last answer; infinity for ever.
        clock: Seconds that never go back.
        sleep: Waits for seconds.
    """

    def __init__(
        self,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._sleep = sleep
        self._since = math.inf
        self.trouble: AtelierError | None = None
        """The error of a request that failed after the last answer."""

    def answered(self) -> None:
        """Begins anew: the server answers."""
        self._since = math.inf
        self.trouble = None

    async def wait_after(self, error: AtelierError, attempt: int) -> None:
        """Waits before the next attempt: twice as long each time, and jittered.

        Args:
            error: Why the last one failed.
            attempt: How many there were.

        Raises:
            GaveUpError: There was no answer for too long.
        """
        now = self._clock()
        self._since = min(self._since, now)
        self.trouble = error
        longest = min(_FIRST_PAUSE * 2 ** min(attempt, 10), _LONGEST_PAUSE)
        pause = random.uniform(longest / 2, longest)  # noqa: S311
        if now + pause - self._since > self._seconds:
            raise GaveUpError(error)
        await self._sleep(pause)
