"""A bulk run on a Ray cluster, with Ray Data."""

import asyncio
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import numpy as np

from atelier._async_client import AsyncClient
from atelier._bulk.bulk import MAX_IN_FLIGHT, Bulk, BulkUsageError
from atelier._bulk.ledger import Finished, Ledger
from atelier._bulk.limit import GradientLimit
from atelier._bulk.output import sink_of
from atelier._bulk.patience import GaveUpError, Patience
from atelier._bulk.requests import Requests
from atelier._bulk.run import OutputError, Run
from atelier._bulk.source import Source
from atelier._bulk.tally import Tally
from atelier._bulk.task import Task, newest_versions, task_digest
from atelier._errors import Unreachable

_BATCH: Final = 64
"""Sources that a worker gets at once. What it had not handed back when the run was killed is done
again."""
_WINDOW: Final = 50_000
"""Sources whose names are in the cluster's memory at once."""


@dataclass(frozen=True)
class Job:
    """What a worker is to know.

    Attributes:
        task: What is made of each source.
        digest: Of the task, with the models' versions.
        out: The output, see `sink_of`.
        url: The server, as the worker's machine reaches it.
        timeout: Seconds for each request.
        patience: Seconds to wait for a server that answers nothing.
    """

    task: Task
    digest: bytes
    out: str
    url: str
    timeout: float | None
    patience: float


@dataclass
class Outcome:
    """What a worker made of its sources.

    Attributes:
        finished: For the ledger, by the names of the sources.
        failures: Reasons by name.
        tally: Counts.
        gave_up: Why the worker gave up on the server.
        no_output: Why nothing more can be written.
    """

    finished: list[tuple[str, Finished]] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)
    computed: int = 0
    copied: int = 0
    pixels: int = 0
    gave_up: str | None = None
    no_output: str | None = None

    def add(self, name: str, reason: str) -> None:
        """Notes a failure, see `Failures`."""
        self.failures.append((name, reason))


class _Notebook(Ledger):
    """A ledger in memory that also notes each record for the one who has the ledger."""

    def __init__(self) -> None:
        super().__init__(":memory:")
        self.outcome = Outcome()

    def record(self, name: str, finished: Finished) -> None:
        """See `Ledger`."""
        super().record(name, finished)
        self.outcome.finished.append((name, finished))


class Worker:
    """Finishes batches of sources, with many requests in flight; Ray makes some on each node."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._ledger = _Notebook()
        self._sink = sink_of(job.out, self._ledger, job.digest, table=job.task.table)
        self._requests = Requests(GradientLimit(MAX_IN_FLIGHT), Patience(job.patience))
        self._loop = asyncio.new_event_loop()
        self._art = AsyncClient(
            job.url, timeout=job.timeout, retries=0, max_in_flight=MAX_IN_FLIGHT
        )
        self._checked = False

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Finishes `source`, and hands back an `outcome`."""
        outcome = self._loop.run_until_complete(self._finish(batch["source"]))
        column = np.empty(1, object)
        column[0] = outcome
        return {"outcome": column}

    async def _finish(self, sources: Iterable[Source]) -> Outcome:
        outcome = self._ledger.outcome = Outcome()
        tally = Tally()
        run = Run(
            self._art._for_bulk(), self._job.task, self._job.digest, self._sink, self._ledger,
            self._requests, outcome, tally,
        )  # fmt: skip
        try:
            await self._check_versions()
            await run.over(sources)
        except GaveUpError as error:
            outcome.gave_up = str(error)
        except OutputError as error:
            outcome.no_output = str(error)
        outcome.computed, outcome.copied = tally.computed, tally.copied
        outcome.pixels = tally.pixels
        return outcome

    async def _check_versions(self) -> None:
        """Refuses a server with other models than the one that the run was begun with."""
        if self._checked:
            return
        task, art = self._job.task, self._art

        async def versions() -> dict[str, str]:
            return await art._converse(newest_versions(task.models), art.timeout)

        if task_digest(task, await self._requests.answer(versions, 0)) != self._job.digest:
            raise BulkUsageError(f"the server at {art.url} has other versions of {task.models}")
        self._checked = True


@dataclass
class RayBulk(Bulk):
    """A run whose images are dealt out by Ray Data.

    Attributes:
        worker_url: The server, as the workers reach it.
        workers: How many there are.
    """

    worker_url: str = ""
    workers: int = 2

    async def _over(self, run: Run) -> None:
        if self.out.endswith(".tar"):
            raise BulkUsageError(f"{self.out}: a tar has one writer; give a folder or a URL")
        job = Job(self.task, run.digest, self.out, self.worker_url, self.art.timeout, self.patience)
        await asyncio.to_thread(self._deal_out, run, job)

    def _deal_out(self, run: Run, job: Job) -> None:
        unfinished = (job.source for job in run.unfinished(self.inputs.each()))
        while window := list(islice(unfinished, _WINDOW)):
            for outcome in self._outcomes(window, job):
                for name, finished in outcome.finished:
                    run.ledger.record(name, finished)
                for name, reason in outcome.failures:
                    run.errors.add(name, reason)
                self.tally.computed += outcome.computed
                self.tally.copied += outcome.copied
                self.tally.failed += len(outcome.failures)
                self.tally.pixels += outcome.pixels
                if outcome.gave_up is not None:
                    raise Unreachable(outcome.gave_up)
                if outcome.no_output is not None:
                    raise OutputError(OSError(outcome.no_output))

    def _outcomes(self, sources: list[Source], job: Job) -> Iterator[Outcome]:
        import ray.data

        dataset = ray.data.from_items(
            [{"source": source} for source in sources],
            override_num_blocks=max(
                math.ceil(len(sources) / _BATCH), min(len(sources), self.workers)
            ),
        ).map_batches(
            Worker, fn_constructor_args=(job,), batch_size=None, batch_format="numpy",
            concurrency=self.workers,
        )  # fmt: skip
        for row in dataset.iter_rows():
            yield row["outcome"]
