"""Places for the requests in flight."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class Places:
    """A semaphore whose number of places may change at any time.

    Args:
        limit: How many there are at the moment.
    """

    def __init__(self, limit: Callable[[], int]) -> None:
        self._limit = limit
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.taken = 0
        self.most_taken = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Waits for a place and keeps it for the block; who came first has the first one."""
        if self._waiting or self.taken >= self._limit():
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._leave()
                else:
                    self._waiting.remove(turn)
                raise
        else:
            self._take()
        try:
            yield
        finally:
            self._leave()

    def _take(self) -> None:
        self.taken += 1
        self.most_taken = max(self.most_taken, self.taken)

    def _leave(self) -> None:
        self.taken -= 1
        while self._waiting and self.taken < self._limit():
            turn = self._waiting.popleft()
            if not turn.done():
                self._take()
                turn.set_result(None)
