"""Requests that wait for a worker: bounded, bulk work last, and none that would come too late.

Triton 2.51 has queues like this too, but not with instances that are free at once: where a model
has any queue policy, it hears of a free instance only with the next request that it accepts, or
after half a second. So Triton hands every request on at once, and it waits here.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

OF_THE_NEWEST = 0.1
"""The share of the last request in the mean time that one takes."""
SAFETY = 1.5
"""A request is accepted if this many times the time that it is expected to take is left."""
PEOPLE_SECONDS = 5.0
"""For so long after a request that is not bulk, bulk work begins only while less than a third of
the workers are at work at all: what is begun is finished, and shares the cores with whatever comes.
"""
BULK_SECONDS = 0.25
"""After so long without, one begins all the same, so that bulk work never stands still."""


class QueueFullError(Exception):
    """No more requests of this kind can wait."""


class TooLateError(Exception):
    """The request would not be answered in time."""


@dataclass(frozen=True)
class Waiting(Generic[T]):
    """A request that waits.

    Attributes:
        item: The request.
        size: What it holds in memory, in bytes.
        ends_at: When its time is over, by the queue's clock.
        since: When it began to wait, by the same clock.
        bulk: Whether it comes after all that are not.
    """

    item: T
    size: int
    ends_at: float
    since: float
    bulk: bool


class _Level(Generic[T]):
    """The requests of one kind, in the order in which they came."""

    def __init__(self) -> None:
        self.waiting: deque[Waiting[T]] = deque()
        self.bytes = 0


class RequestQueue(Generic[T]):
    """The queue of a model, shared by the thread that puts and by the workers that get.

    Args:
        workers: How many requests are in work at once.
        max_requests: How many may wait, of bulk work and of all other each.
        max_bytes: What these may hold in memory.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        workers: int,
        max_requests: int,
        max_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._workers = workers
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self._clock = clock
        self._changed = threading.Condition()
        self._people: _Level[T] = _Level()
        self._bulk: _Level[T] = _Level()
        self._in_work = 0
        self._bulk_in_work = 0
        self._people_until = -math.inf
        self._mean_seconds = 0.0
        self._bulk_began = -math.inf
        self._mean_bulk_interval = 0.0
        self._closed = False

    def put(self, item: T, size: int, seconds: float, *, bulk: bool) -> None:
        """Has a request wait.

        Args:
            item: The request.
            size: What it holds in memory, in bytes.
            seconds: How long its caller waits for the answer; infinite for as long as it takes.
            bulk: Whether it comes after all that are not.

        Raises:
            QueueFullError: As many wait as may.
            TooLateError: With those before it, it is expected to take longer than its caller waits.
        """
        with self._changed:
            level = self._bulk if bulk else self._people
            waiting = len(level.waiting)
            if waiting and (waiting >= self._max_requests or level.bytes + size > self._max_bytes):
                raise QueueFullError(f"{waiting} requests of {level.bytes} bytes wait")
            now = self._clock()
            needed = self._needed(bulk, now)
            if needed * SAFETY > seconds:
                raise TooLateError(f"it would take {needed:.3g} s, and {seconds:.3g} are left")
            if not bulk:
                self._people_until = now + PEOPLE_SECONDS
            level.waiting.append(Waiting(item, size, now + seconds, now, bulk))
            level.bytes += size
            self._changed.notify()

    def get(self) -> Waiting[T] | None:
        """Waits for the next request, which is in work until `done`; None once the queue closes."""
        with self._changed:
            while not self._people.waiting and not (
                self._bulk.waiting and self._takes_bulk(self._clock())
            ):
                if self._closed and not self._bulk.waiting:
                    return None
                self._changed.wait(self._seconds_held_back(self._clock()))
            level = self._people if self._people.waiting else self._bulk
            waiting = level.waiting.popleft()
            level.bytes -= waiting.size
            self._in_work += 1
            if waiting.bulk:
                self._begin_bulk(waiting, self._clock())
            if len(self):
                self._changed.notify()
            return waiting

    def seconds_left(self, waiting: Waiting[T]) -> float:
        """How long the caller of a request waits still; 0 or less if it is too late."""
        return waiting.ends_at - self._clock()

    def seconds_waited(self, waiting: Waiting[T]) -> float:
        """How long a request has waited so far."""
        return self._clock() - waiting.since

    def done(self, waiting: Waiting[T], seconds: float | None = None) -> None:
        """Learns that a request is answered, and how long that took if it was served."""
        with self._changed:
            self._in_work -= 1
            self._bulk_in_work -= waiting.bulk
            if seconds is not None:
                self._mean_seconds = _mean(self._mean_seconds, seconds)

    def __len__(self) -> int:
        with self._changed:
            return len(self._people.waiting) + len(self._bulk.waiting)

    def close(self) -> None:
        """Lets the workers go, once all that wait are served."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _needed(self, bulk: bool, now: float) -> float:
        ahead = len(self._people.waiting) + (len(self._bulk.waiting) if bulk else 0)
        # Whoever finds a free worker is always let in, so that a mean that a few slow ones have
        # raised comes down again.
        if not ahead and (self._takes_bulk(now) if bulk else self._in_work < self._workers):
            return 0.0
        if bulk and self._holds_back(now):
            return self._mean_bulk_interval * (len(self._bulk.waiting) + 1) + self._mean_seconds
        return self._mean_seconds * ((ahead + 1) / self._workers + 1)

    def _holds_back(self, now: float) -> bool:
        return now < self._people_until and not self._closed

    def _takes_bulk(self, now: float) -> bool:
        """Whether bulk work may begin."""
        if not self._holds_back(now):
            return self._in_work < self._workers
        is_due = now >= self._bulk_began + BULK_SECONDS
        return (self._bulk_in_work if is_due else self._in_work) < max(1, self._workers // 3)

    def _seconds_held_back(self, now: float) -> float | None:
        """How long until bulk work may begin that may not now; None if none waits."""
        if not self._bulk.waiting:
            return None
        due = self._bulk_began + BULK_SECONDS
        return (due if now < due < self._people_until else self._people_until) - now

    def _begin_bulk(self, waiting: Waiting[T], now: float) -> None:
        self._bulk_in_work += 1
        interval = now - max(self._bulk_began, waiting.since)
        self._mean_bulk_interval = _mean(self._mean_bulk_interval, interval)
        self._bulk_began = now


def _mean(mean: float, newest: float) -> float:
    return mean + (newest - mean) * (OF_THE_NEWEST if mean else 1.0)
