"""A run: everything that is not finished yet is read, computed, written and recorded."""

import asyncio
import errno
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from atelier._bulk.in_flight import as_finished
from atelier._bulk.ledger import Finished, Ledger
from atelier._bulk.many import AHEAD, in_loop
from atelier._bulk.requests import Requests
from atelier._bulk.sink import Sink
from atelier._bulk.source import Source
from atelier._bulk.tally import Tally
from atelier._bulk.task import Task, content_digest
from atelier._errors import AtelierError
from atelier._images import EncodedImage

if TYPE_CHECKING:
    from atelier._async_client import AsyncClient

_NO_OUTPUT: Final = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}
)
"""Errors of writing that the next output would have too."""


class OutputError(Exception):
    """Nothing more can be written.

    Attributes:
        error: What the system said.
    """

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


class Failures(Protocol):
    """Where failures are noted."""

    def add(self, name: str, reason: str) -> None:
        """Notes why a source failed."""


class _StoppedError(Exception):
    """The run ends before the request of a job is sent."""


class Job(NamedTuple):
    """A source that is to be dealt with, and its stamp."""

    source: Source
    stamp: str | None


class _Read(NamedTuple):
    image: EncodedImage
    pixels: int
    content: bytes


@dataclass
class Run:
    """One run over all sources.

    Attributes:
        art: The client.
        task: What is made of each source.
        digest: Of the task, see `task_digest`.
        sink: Where the results go.
        ledger: What is finished.
        requests: What the requests share.
        errors: Where failures are written down.
        tally: Counts.
        stopping: Once set, no further source is begun.
    """

    art: "AsyncClient"
    task: Task
    digest: bytes
    sink: Sink
    ledger: Ledger
    requests: Requests
    errors: Failures
    tally: Tally
    stopping: threading.Event = field(default_factory=threading.Event)
    _over: bool = False
    _computing: dict[bytes, asyncio.Future[None]] = field(default_factory=dict)

    async def over(self, sources: Iterable[Source]) -> None:
        """Runs over the sources.

        Raises:
            GaveUpError: The server answered nothing for too long.
            OutputError: Nothing more can be written.
        """
        jobs = in_loop(self.unfinished(sources))
        finished = as_finished(jobs, self._work, lambda: 2 * self.requests.limit.value + AHEAD)
        try:
            async with aclosing(jobs), aclosing(finished):
                async for _ in finished:
                    pass
        finally:
            self._over = True  # For the thread that may still be looking for unfinished ones.

    def unfinished(self, sources: Iterable[Source]) -> Iterator[Job]:
        """The sources that are not known to be finished; counts the others."""
        for source in sources:
            if self._over or self.stopping.is_set():
                return
            try:
                stamp = source.stamp()
            except OSError:  # Reading it will say why.
                stamp = None
            if stamp is not None:
                known = self.ledger.find(source.name)
                if known and known.stamp == stamp and self._is_there(known):
                    self.tally.skipped += 1
                    continue
            yield Job(source, stamp)

    def _is_there(self, known: Finished) -> bool:
        return known.task == self.digest and self.sink.holds(known.receipt)

    async def _work(self, job: Job) -> None:
        try:
            await self._deal_with(job)
        except _StoppedError:
            pass  # It is left to the next run.
        except (AtelierError, OSError) as error:
            self.tally.failed += 1
            await asyncio.to_thread(self.errors.add, job.source.name, reason_of(error))

    async def _deal_with(self, job: Job) -> None:
        read = await asyncio.to_thread(self._read, job.source)
        # The first of several inputs with the same content is computed, the others wait for it.
        while (before := self._computing.get(read.content)) is not None:
            await asyncio.wait([before])
        mine = self._computing[read.content] = asyncio.get_running_loop().create_future()
        try:
            if self._may_be_there(job, read) and await asyncio.to_thread(self._settle, job, read):
                return
            result = await self.requests.answer(lambda: self._result(read.image), read.pixels)
            await _to_the_end(self._store, job, read, result)
            self.tally.computed += 1
            self.tally.pixels += read.pixels
        finally:
            del self._computing[read.content]
            mine.set_result(None)

    async def _result(self, image: EncodedImage) -> bytes:
        if self.stopping.is_set():
            raise _StoppedError
        return await self.task.result(self.art, image)

    def _may_be_there(self, job: Job, read: _Read) -> bool:
        known = self.ledger.find(job.source.name)
        if known and (known.content, known.task) == (read.content, self.digest):
            return True
        return self.ledger.twin(read.content, self.digest) is not None

    def _settle(self, job: Job, read: _Read) -> bool:
        """Whether the result is there already, or that of another input is, which is copied."""
        known = self.ledger.find(job.source.name)
        if known and known.content == read.content and self._is_there(known):
            self._record(job, read, known.receipt)
            self.tally.skipped += 1
            return True
        twin = self.ledger.twin(read.content, self.digest)
        if twin is None or not self._is_there(twin):
            return False
        try:
            data = self.sink.read(twin.receipt)
        except OSError:  # It is gone since.
            return False
        self._store(job, read, data)
        self.tally.copied += 1
        return True

    def _read(self, source: Source) -> _Read:
        data = source.read()
        return _Read(*self.task.prepared(data), content_digest(data))

    def _store(self, job: Job, read: _Read, data: bytes) -> None:
        name = self.task.output_name(job.source.name, data)
        try:
            receipt = self.sink.write(name, data)
        except OSError as error:
            if error.errno is None or error.errno in _NO_OUTPUT:
                raise OutputError(error) from error
            raise
        self._record(job, read, receipt)

    def _record(self, job: Job, read: _Read, receipt: bytes) -> None:
        known = Finished(job.stamp, read.content, self.digest, read.pixels, receipt)
        try:
            self.ledger.record(job.source.name, known)
        except OSError as error:
            raise OutputError(error) from error


async def _to_the_end(function: Callable[..., object], *arguments: object) -> None:
    """Runs a function in a thread; who is cancelled meanwhile waits for its end all the same."""
    running = asyncio.ensure_future(asyncio.to_thread(function, *arguments))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


def reason_of(error: Exception) -> str:
    """An error in one line, without the name of the file, which stands beside it."""
    if isinstance(error, OSError) and error.strerror is not None:
        return error.strerror
    return str(error) or type(error).__name__
