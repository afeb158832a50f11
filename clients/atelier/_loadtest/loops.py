"""Sending: by a plan, whatever the server does, or a next request after each response."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, TypeAlias

from atelier._loadtest.profile import Moments

Send: TypeAlias = Callable[[int], Awaitable[str]]
"""Sends the request of a number, and returns what failed; "" where it was answered."""

MAX_BEHIND: Final = 5.0
"""Seconds that a client may be behind its plan before it gives up: it never catches up."""
_PAUSE_AFTER_FAILURE: Final = 0.05
"""Seconds, so that callers of a server that is gone do not spin."""


class Outcome(NamedTuple):
    """What became of a request; moments in seconds from the start.

    Attributes:
        number: Which request of the plan it was.
        planned: When it was due.
        sent: When it was sent.
        done: When its response was there, or its failure.
        failure: What failed; "" where it was answered.
    """

    number: int
    planned: float
    sent: float
    done: float
    failure: str


Record: TypeAlias = Callable[[Outcome], None]


async def open_loop(
    send: Send,
    planned: Moments,
    numbers: range,
    *,
    start: float,
    record: Record,
    enough: Callable[[], bool] = lambda: False,
) -> int:
    """Sends requests when they are due, and never waits for a response before it sends.

    Users do not wait for each other: a server that stalls for a second still gets what is due in
    it. Latency therefore counts from the planned moment (Tene, "How NOT to Measure Latency").

    Args:
        send: See `Send`.
        planned: When each request is due.
        numbers: Which of them are to be sent here.
        start: The moment 0, by the clock of the running loop.
        record: Is given each outcome.
        enough: Says whether to send no more.

    Returns:
        How many were sent, once all of them are done. When it is cancelled, it cancels them.
    """
    loop = asyncio.get_running_loop()
    under_way: set[asyncio.Task[None]] = set()
    count = 0

    async def one(number: int, due: float) -> None:
        sent = loop.time() - start
        failure = await send(number)
        record(Outcome(number, due, sent, loop.time() - start, failure))

    try:
        for number in numbers:
            due = float(planned[number])
            # Also where it is late: responses are to be read meanwhile.
            await asyncio.sleep(max(0.0, start + due - loop.time()))
            if enough() or loop.time() - start - due > MAX_BEHIND:
                break
            task = loop.create_task(one(number, due))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            count += 1
        await asyncio.gather(*under_way)
    finally:
        for task in under_way:
            task.cancel()
    return count


async def closed_loop(
    send: Send,
    callers: range,
    *,
    of: int,
    seconds: float,
    start: float,
    record: Record,
) -> int:
    """Has callers send a request each, and the next one when its response is there.

    This is how most tools measure, and what hides a stall: while the server does nothing, nothing
    is sent, so hardly a request is late. It does say what a server can do at most.

    Args:
        send: See `Send`.
        callers: Their numbers, as many as requests are under way at any time.
        of: How many callers there are in all, other processes' included.
        seconds: For how long they send.
        start: The moment 0, by the clock of the running loop.
        record: Is given each outcome.

    Returns:
        How many were sent, once all of them are done.
    """
    loop = asyncio.get_running_loop()
    count = 0

    async def call(caller: int) -> None:
        nonlocal count
        number = caller
        await asyncio.sleep(max(0.0, start - loop.time()))
        while (sent := loop.time() - start) < seconds:
            count += 1
            failure = await send(number)
            record(Outcome(number, sent, sent, loop.time() - start, failure))
            number += of
            if failure:
                await asyncio.sleep(_PAUSE_AFTER_FAILURE)

    await asyncio.gather(*(call(caller) for caller in callers))
    return count
