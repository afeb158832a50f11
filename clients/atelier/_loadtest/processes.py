"""Several client processes that send one plan together, where one cannot send it alone.

Each takes every Nth request of the plan and sends back what became of it, request by request, so
that all of them are in one histogram and nothing is averaged. The processes are spawned, never
forked: gRPC survives no fork. They share the clock of the machine, on which the plan's start is a
moment, and are ready before it.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Final, Self

from atelier._loadtest.client_process import Closed, Done, Open, Stop, serve
from atelier._loadtest.clients import never
from atelier._loadtest.loops import Outcome, Record
from atelier._loadtest.measure import Drive, Driven
from atelier._loadtest.profile import Moments
from atelier._loadtest.spawning import spawned
from atelier._loadtest.workload import Workload

_READY_SECONDS: Final = 120.0
_END_SECONDS: Final = 10.0


class Processes:
    """So many client processes. Use it as an asynchronous context manager.

    Args:
        count: How many.
        workload: What they send.
        url: The server's address.
        timeout: Seconds for each request.
    """

    def __init__(self, count: int, workload: Workload, *, url: str, timeout: float) -> None:
        self._arguments = (workload, url, timeout)
        self._count = count
        self._workers: list[_Worker] = []

    async def __aenter__(self) -> Self:
        """Starts them, and waits until each can send.

        Raises:
            ChildProcessError: One of them ended, or is not ready after two minutes.
        """
        for _ in range(self._count):
            self._workers.append(_Worker(*spawned(serve, *self._arguments)))
        try:
            for worker in self._workers:
                await worker.ready()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Ends them."""
        for worker in self._workers:
            worker.connection.close()
        for worker in self._workers:
            await asyncio.to_thread(worker.process.join, _END_SECONDS)
            worker.process.kill()
            worker.process.join()

    def open_drive(self, planned: Moments, enough: Callable[[], bool] = never) -> Drive:
        """See `Clients`."""
        orders = [
            Open(planned[number :: self._count], number, self._count)
            for number in range(self._count)
        ]
        return self._drive(orders, enough)

    def closed_drive(self, callers: int, seconds: float) -> Drive:
        """See `Clients`."""
        orders = [
            Closed(range(number, callers, self._count), callers, seconds)
            for number in range(self._count)
        ]
        return self._drive(orders, never)

    def _drive(self, orders: list[Any], enough: Callable[[], bool]) -> Drive:
        async def drive(start: float, record: Record) -> Driven:
            def recorded(outcome: Outcome) -> None:
                record(outcome)
                if enough():
                    self._stop()

            ends = [
                asyncio.ensure_future(worker.drive(start, order, recorded))
                for worker, order in zip(self._workers, orders, strict=True)
            ]
            try:
                done = await asyncio.shield(asyncio.gather(*ends))
            except asyncio.CancelledError:
                # What is under way is given up; what was done until now still comes.
                for worker in self._workers:
                    worker.send(Stop(at_once=True))
                done = await asyncio.gather(*ends)
            finally:
                for end in ends:
                    end.cancel()
            return Driven(
                sum(each.count for each in done),
                sum(each.processor for each in done),
                self._count,
            )

        return drive

    def _stop(self) -> None:
        for worker in self._workers:
            worker.send(Stop(at_once=False))


@dataclass
class _Worker:
    process: BaseProcess
    connection: "Connection[Any, Any]"
    stopped: bool = False

    async def ready(self) -> None:
        try:
            async with asyncio.timeout(_READY_SECONDS):
                await self._received()
        except TimeoutError as error:
            raise ChildProcessError("a client process did not get ready to send") from error

    async def drive(self, start: float, order: Any, record: Record) -> Done:
        self.stopped = False
        self.send((start, order))
        while True:
            message = await self._received()
            if isinstance(message, Done):
                return message
            for outcome in message:
                record(Outcome(*outcome))

    def send(self, message: Any) -> None:
        if isinstance(message, Stop):
            if self.stopped and not message.at_once:
                return
            self.stopped = True
        try:
            self.connection.send(message)
        except OSError:
            # It ended; reading from it says so.
            return

    async def _received(self) -> Any:
        loop = asyncio.get_running_loop()
        readable = loop.create_future()
        loop.add_reader(self.connection.fileno(), _set, readable)
        try:
            await readable
        finally:
            loop.remove_reader(self.connection.fileno())
        try:
            return self.connection.recv()
        except (EOFError, OSError) as error:
            await asyncio.to_thread(self.process.join, _END_SECONDS)
            raise ChildProcessError(
                f"a client process ended with {self.process.exitcode}, in the middle of its work"
            ) from error


def _set(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
