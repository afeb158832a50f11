"""What runs in a client process: it sends its part of a plan, and says what became of it."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Final

from atelier._balanced_transport import async_transport_to
from atelier._loadtest.loops import Outcome, Send, closed_loop, open_loop
from atelier._loadtest.profile import Moments
from atelier._loadtest.sender import sender
from atelier._loadtest.workload import Workload

_TOGETHER_SECONDS: Final = 0.1
"""Outcomes of so much time go to the parent in one message."""


@dataclass(frozen=True)
class Open:
    """An order to send by a plan.

    Attributes:
        planned: When each request of this process is due.
        first: The number of the first of them in the whole plan.
        step: From each number to the next.
    """

    planned: Moments
    first: int
    step: int


@dataclass(frozen=True)
class Closed:
    """An order to be these of all callers, for so many seconds."""

    callers: range
    of: int
    seconds: float


@dataclass(frozen=True)
class Stop:
    """Send no more; `at_once`: do not wait for responses either."""

    at_once: bool


@dataclass(frozen=True)
class Done:
    """The end of an order: how many requests were sent, and the seconds of processor time."""

    count: int
    processor: float


def serve(connection: "Connection[Any, Any]", workload: Workload, url: str, timeout: float) -> None:
    """Carries out the orders of the parent until it closes the connection."""
    asyncio.run(_serve(connection, workload, url, timeout))


async def _serve(
    connection: "Connection[Any, Any]", workload: Workload, url: str, timeout: float
) -> None:
    transport = async_transport_to(url)
    send = sender(transport, workload, url=url, timeout=timeout)
    orders = _Orders(connection)
    connection.send("ready")
    while (order := await orders.next()) is not None:
        connection.send(await _carried_out(*order, send, orders, connection))
    # Nobody is left to hear of it, and gRPC's threads may take their time.
    os._exit(0)


async def _carried_out(
    start: float,
    order: Open | Closed,
    send: Send,
    orders: "_Orders",
    connection: "Connection[Any, Any]",
) -> Done:
    processor, outcomes = time.process_time(), list[tuple[Any, ...]]()
    count = 0

    def record(outcome: Outcome) -> None:
        nonlocal count
        count += 1
        outcomes.append(tuple(outcome))

    async def told() -> None:
        while True:
            await asyncio.sleep(_TOGETHER_SECONDS)
            _tell(connection, outcomes)

    work = asyncio.ensure_future(_work(start, order, send, record, orders))
    orders.at_once = work.cancel
    telling = asyncio.ensure_future(told())
    with suppress(asyncio.CancelledError):
        await work
    telling.cancel()
    _tell(connection, outcomes)
    return Done(count, time.process_time() - processor)


def _work(
    start: float,
    order: Open | Closed,
    send: Send,
    record: Callable[[Outcome], None],
    orders: "_Orders",
) -> Awaitable[int]:
    if isinstance(order, Closed):
        return closed_loop(
            send,
            order.callers,
            of=order.of,
            seconds=order.seconds,
            start=start,
            record=record,
        )

    def in_whole_plan(outcome: Outcome) -> None:
        record(outcome._replace(number=order.first + order.step * outcome.number))

    async def send_of_whole_plan(number: int) -> str:
        return await send(order.first + order.step * number)

    return open_loop(
        send_of_whole_plan,
        order.planned,
        range(len(order.planned)),
        start=start,
        record=in_whole_plan,
        enough=lambda: orders.stopped,
    )


def _tell(connection: "Connection[Any, Any]", outcomes: list[tuple[Any, ...]]) -> None:
    if outcomes:
        connection.send(outcomes)
        outcomes.clear()


class _Orders:
    """What the parent sends."""

    def __init__(self, connection: "Connection[Any, Any]") -> None:
        self._connection = connection
        self._waiting: asyncio.Queue[tuple[float, Any] | None] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(connection.fileno(), self._read)
        self.stopped = False
        self.at_once: Callable[[], object] = lambda: None

    async def next(self) -> tuple[float, Any] | None:
        """The next order; None: the parent is gone."""
        return await self._waiting.get()

    def _read(self) -> None:
        try:
            message = self._connection.recv()
        except (EOFError, OSError):
            self._loop.remove_reader(self._connection.fileno())
            self.at_once()
            self._waiting.put_nowait(None)
            return
        if isinstance(message, Stop):
            self.stopped = True
            if message.at_once:
                self.at_once()
            return
        self.stopped = False
        self._waiting.put_nowait(message)
