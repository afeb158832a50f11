"""A run from its start to its end, or to Ctrl-C."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from atelier._loadtest.loops import Outcome, Record, Send, closed_loop, open_loop
from atelier._loadtest.profile import Moments
from atelier._loadtest.recording import Recording
from atelier._loadtest.summary import Sent
from atelier._loadtest.workload import Workload


@dataclass(frozen=True)
class Driven:
    """What was sent.

    Attributes:
        count: How many requests.
        processor: Seconds of processor time that other processes took for it.
        processes: How many processes sent.
    """

    count: int
    processor: float = 0.0
    processes: int = 1


Drive: TypeAlias = Callable[[float, Record], Awaitable[Driven]]
"""Sends requests from a moment of the loop's clock on, and returns what it sent."""

_LEAD: Final = 0.1
"""Seconds from the call to the moment 0, so that the first request is not late."""


@dataclass(frozen=True)
class Window:
    """The time of a run.

    Attributes:
        seconds: From the start to the end of the plan, the warm-up included.
        warmup: Seconds at the start whose requests do not count.
    """

    seconds: float
    warmup: float = 0.0


def open_drive(send: Send, planned: Moments, enough: Callable[[], bool] = lambda: False) -> Drive:
    """Sends what is planned in this process."""

    async def drive(start: float, record: Record) -> Driven:
        numbers = range(len(planned))
        return Driven(
            await open_loop(send, planned, numbers, start=start, record=record, enough=enough)
        )

    return drive


def closed_drive(send: Send, callers: int, seconds: float) -> Drive:
    """Has callers wait for each other's server in this process."""

    async def drive(start: float, record: Record) -> Driven:
        count = await closed_loop(
            send, range(callers), of=callers, seconds=seconds, start=start, record=record
        )
        return Driven(count)

    return drive


async def measure(
    drive: Drive,
    workload: Workload,
    recording: Recording,
    window: Window,
    planned: Moments | None,
    watch: Callable[[Outcome], object] | None = None,
) -> Sent:
    """Drives a run and records it. Ctrl-C ends it early; what was recorded stays.

    Args:
        drive: Sends the requests.
        workload: Says which model the request of a number is for.
        recording: What to record to.
        window: The time of the run.
        planned: The plan, or None for a closed loop, which has none.
        watch: Is given each outcome, too.
    """
    loop = asyncio.get_running_loop()
    counted = 0

    def record(outcome: Outcome) -> None:
        nonlocal counted
        sample = workload.sample(outcome.number)
        counted += outcome.planned >= window.warmup
        recording.record(outcome, sample.model, sample.pixels)
        if watch is not None:
            watch(outcome)

    start, processor = loop.time() + _LEAD, time.process_time()
    driving = asyncio.ensure_future(drive(start, record))
    interrupted, driven = False, Driven(0)

    def interrupt() -> None:
        nonlocal interrupted
        interrupted = True
        driving.cancel()

    loop.add_signal_handler(signal.SIGINT, interrupt)
    try:
        driven = await driving
    except asyncio.CancelledError:
        if not interrupted:
            raise
    finally:
        loop.remove_signal_handler(signal.SIGINT)
    due = counted if planned is None else int((planned >= window.warmup).sum())
    return Sent(
        planned=due,
        seconds=window.seconds - window.warmup,
        interrupted=interrupted,
        processor=time.process_time() - processor + driven.processor,
        elapsed=loop.time() - start,
        processes=driven.processes,
    )
