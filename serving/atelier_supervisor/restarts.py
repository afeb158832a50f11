"""When Triton is started again, and when that is given up: as systemd's StartLimit does it."""

import collections
import time

MAX_STARTS = 5
"""So many starts are allowed within `INTERVAL_SECONDS`; the first one counts."""
INTERVAL_SECONDS = 60.0


class StartLimit:
    """Counts the starts of the last `INTERVAL_SECONDS`."""

    def __init__(self) -> None:
        """Begins with no start."""
        self._starts: collections.deque[float] = collections.deque(maxlen=MAX_STARTS)

    def count(self) -> None:
        """Counts a start."""
        self._starts.append(time.monotonic())

    def is_reached(self) -> bool:
        """Whether one start more would be one too many."""
        full = len(self._starts) == MAX_STARTS
        return full and time.monotonic() < self._starts[0] + INTERVAL_SECONDS
