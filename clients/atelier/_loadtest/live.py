"""What can be said of a run while it goes on."""

import math
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Final

import numpy as np

from atelier._loadtest.clients import Clients, never
from atelier._loadtest.confidence import ranks
from atelier._loadtest.latencies import QUANTILES
from atelier._loadtest.loops import Outcome, Record
from atelier._loadtest.measure import Drive, Driven
from atelier._loadtest.profile import Moments

RECENT_SECONDS: Final = 5.0
"""Rates and latencies are of so many seconds up to now."""


class Live:
    """How far a run is, warm-up included. One run after another may use it.

    Args:
        clock: That of the event loop, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._start = math.inf
        self._planned: Moments | None = None
        self._callers = 0
        self._done = 0
        self._recent: deque[Outcome] = deque()
        self.seconds = 0.0
        """How long the run takes by its plan."""
        self.failures: Counter[str] = Counter()
        """How many requests failed, by what failed."""

    def begin(self, start: float, seconds: float, planned: Moments | None, callers: int) -> None:
        """A run begins.

        Args:
            start: Its moment 0, by the clock.
            seconds: How long it takes.
            planned: When each request is due; None in a closed loop.
            callers: Of a closed loop; 0 otherwise.
        """
        self._start, self.seconds, self._planned, self._callers = start, seconds, planned, callers
        self._done, self._recent, self.failures = 0, deque(), Counter()

    def record(self, outcome: Outcome) -> None:
        """Adds what became of a request."""
        self._done += 1
        if outcome.failure:
            self.failures[outcome.failure] += 1
        self._recent.append(outcome)
        while self._recent[0].done < outcome.done - RECENT_SECONDS:
            self._recent.popleft()

    @property
    def begun(self) -> bool:
        """Whether there is a run."""
        return self._start < math.inf

    @property
    def now(self) -> float:
        """Seconds from the start of the run; 0 before it."""
        return max(0.0, self._clock() - self._start)

    @property
    def under_way(self) -> int:
        """How many requests are due and neither answered nor failed."""
        return self._callers if self._planned is None else self._due(self.now) - self._done

    @property
    def asked(self) -> float | None:
        """Requests a second that were due; None in a closed loop, which asks for no rate."""
        if self._planned is None:
            return None
        end = self.now
        start = max(0.0, end - RECENT_SECONDS)
        return (self._due(end) - self._due(start)) / max(end - start, 1e-9)

    @property
    def answered(self) -> float:
        """Answered requests a second."""
        answered = sum(not each.failure for each in self._of_late())
        return answered / max(min(self.now, RECENT_SECONDS), 1e-9)

    def latency(self) -> dict[str, float]:
        """The p50, the highest percentile that so few requests carry, and the longest latency.

        In seconds, from the planned moment; infinite for a failure, and empty without requests.
        """
        latencies = sorted(
            math.inf if each.failure else each.done - each.planned for each in self._of_late()
        )
        if not latencies:
            return {}
        found = {
            name: latencies[at.middle - 1]
            for name, quantile in QUANTILES.items()
            if (at := ranks(len(latencies), quantile)) is not None
        }
        names = [*found][:1] + [*found][1:][-1:]
        return {**{name: found[name] for name in names}, "longest": latencies[-1]}

    def _of_late(self) -> list[Outcome]:
        begin = self.now - RECENT_SECONDS
        # The run goes on in another thread.
        return [each for each in self._recent.copy() if each.done >= begin]

    def _due(self, moment: float) -> int:
        assert self._planned is not None
        return int(np.searchsorted(self._planned, moment, side="right"))


class WatchedClients:
    """Clients whose runs somebody looks at.

    Args:
        clients: Who sends.
        live: Is told.
    """

    def __init__(self, clients: Clients, live: Live) -> None:
        self._clients, self._live = clients, live

    def open_drive(self, planned: Moments, enough: Callable[[], bool] = never) -> Drive:
        """See `Clients`."""
        seconds = float(planned[-1]) if len(planned) else 0.0
        return self._watched(self._clients.open_drive(planned, enough), seconds, planned, 0)

    def closed_drive(self, callers: int, seconds: float) -> Drive:
        """See `Clients`."""
        return self._watched(self._clients.closed_drive(callers, seconds), seconds, None, callers)

    def _watched(
        self, drive: Drive, seconds: float, planned: Moments | None, callers: int
    ) -> Drive:
        async def watched(start: float, record: Record) -> Driven:
            self._live.begin(start, seconds, planned, callers)

            def both(outcome: Outcome) -> None:
                self._live.record(outcome)
                record(outcome)

            return await drive(start, both)

        return watched
