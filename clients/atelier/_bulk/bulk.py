"""A whole bulk run, from the names of its input and output to its summary."""

import asyncio
import json
import math
import os
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from atelier._atomic_write import write_whole
from atelier._bulk.dry_run import count_unfinished
from atelier._bulk.errors_file import ErrorsFile
from atelier._bulk.inputs import Inputs, inputs_of
from atelier._bulk.ledger import Ledger, LedgerInUseError
from atelier._bulk.limit import GradientLimit
from atelier._bulk.output import sink_of, state_folder
from atelier._bulk.patience import GaveUpError, Patience
from atelier._bulk.requests import Requests
from atelier._bulk.run import Run
from atelier._bulk.seeds import seeds
from atelier._bulk.sink import Sink
from atelier._bulk.tally import Tally
from atelier._bulk.task import Task, newest_versions, task_digest

if TYPE_CHECKING:
    from atelier._async_client import AsyncClient

MAX_IN_FLIGHT: Final = 256
"""The limit is found out; this bounds the memory of a run whose server takes any number."""


class BulkUsageError(ValueError):
    """The input, the output or the options cannot be used; nothing was done."""


def inputs_for(source: "str | os.PathLike[str] | range", out: str) -> Inputs:
    """The inputs of a run.

    Args:
        source: As in `inputs_of`; a range stands for seeds.
        out: The output, which must not lie in them.

    Raises:
        BulkUsageError: There is nothing of this name, or the results would become inputs.
    """
    if isinstance(source, range):
        numbers = source
        return Inputs(lambda: seeds(numbers))
    path = os.fspath(source)
    try:
        inputs = inputs_of(path)
    except FileNotFoundError as error:
        raise BulkUsageError(str(error)) from error
    folder = Path(path)
    if (
        "://" not in out
        and folder.is_dir()
        and Path(out).resolve().is_relative_to(folder.resolve())
    ):
        raise BulkUsageError(f"{out} lies in {path}: results would become inputs")
    return inputs


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes:
        computed: Images that the server computed.
        copied: Results of other inputs of the same content.
        skipped: Inputs that were finished before.
        failed: Inputs that failed, each a line in `errors`.
        interrupted: Whether the run was asked to stop before its end.
        seconds: How long it took.
        images_per_second: Computed.
        megapixels_per_second: Computed.
        most_in_flight: Requests at once; 0 on Ray, where each worker has its own.
        errors: The path of errors.jsonl.
    """

    computed: int
    copied: int
    skipped: int
    failed: int
    interrupted: bool
    seconds: float
    images_per_second: float
    megapixels_per_second: float
    most_in_flight: int
    errors: str

    @property
    def seen(self) -> int:
        """All inputs that there were."""
        return self.computed + self.copied + self.skipped + self.failed


@dataclass
class Bulk:
    """A run that is to be made.

    Attributes:
        art: The client.
        task: What is made of each input.
        inputs: What there is to do.
        out: The output, see `sink_of`.
        patience: Seconds to wait for a server that answers nothing; infinity for ever.
        force: Whether what is finished is computed again.
        state: Where the ledger is, or None for the output's own place.
        tally: Counts, to be shown meanwhile.
        stopping: Set it to end the run with what is in flight.
        on_start: Called with what the requests share.
    """

    art: "AsyncClient"
    task: Task
    inputs: Inputs
    out: str
    patience: float = math.inf
    force: bool = False
    state: Path | None = None
    tally: Tally = field(default_factory=Tally)
    stopping: threading.Event = field(default_factory=threading.Event)
    on_start: Callable[[Requests], object] = lambda _: None

    async def run(self) -> Summary:
        """Makes the run.

        Raises:
            BulkUsageError: It cannot begin.
            AtelierError: The server refuses the task, or answered nothing for too long.
            OutputError: Nothing more can be written.
        """
        digest = await self._digest()
        state = self.state or state_folder(self.out)
        try:
            state.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BulkUsageError(f"{self.out} cannot be written: {error}") from error
        with closing(self._ledger(state / "ledger.sqlite")) as ledger:
            if self.force:
                ledger.forget()
            sink = self._sink(ledger, digest)
            with closing(ErrorsFile(state / "errors.jsonl")) as errors:
                return await self._run(ledger, sink, errors, digest)

    async def _run(self, ledger: Ledger, sink: Sink, errors: ErrorsFile, digest: bytes) -> Summary:
        requests = Requests(GradientLimit(MAX_IN_FLIGHT), Patience(self.patience))
        self.on_start(requests)
        run = Run(
            self.art._for_bulk(), self.task, digest, sink, ledger, requests, errors, self.tally,
            self.stopping,
        )  # fmt: skip
        counting = asyncio.create_task(asyncio.to_thread(self._count))
        try:
            await self._over(run)
        except GaveUpError as error:
            raise error.error from error
        finally:
            await counting
            await asyncio.to_thread(sink.finish)
            summary = self._summary(requests, errors)
            text = json.dumps(asdict(summary), indent=2) + "\n"
            write_whole(errors.path.with_name("summary.json"), text.encode())
        return summary

    async def _over(self, run: Run) -> None:
        await run.over(self.inputs.each())

    async def dry_run(self) -> Tally:
        """Counts what `run` would compute and what it would skip; no output is written.

        Raises:
            BulkUsageError: As `run`.
            AtelierError: As `run`.
        """
        digest = await self._digest()
        path = (self.state or state_folder(self.out)) / "ledger.sqlite"
        known = path.exists() and not self.force
        with closing(self._ledger(path if known else ":memory:")) as ledger:
            sink = self._sink(ledger, digest)
            await asyncio.to_thread(
                count_unfinished, self.inputs.each(), self.task, digest, sink, ledger, self.tally
            )
        return self.tally

    async def _digest(self) -> bytes:
        """The digest of the task with the versions of the models, once the server took a probe."""
        await self.task.result(self.art, self.task.probe())
        versions = await self.art._converse(newest_versions(self.task.models), self.art.timeout)
        return task_digest(self.task, versions)

    def _ledger(self, path: Path | str) -> Ledger:
        try:
            return Ledger(path)
        except LedgerInUseError as error:
            raise BulkUsageError(f"another run writes to {self.out}; wait for its end") from error
        except OSError as error:
            raise BulkUsageError(f"{self.out} cannot be written: {error}") from error

    def _sink(self, ledger: Ledger, digest: bytes) -> Sink:
        try:
            return sink_of(self.out, ledger, digest, table=self.task.table)
        except (OSError, ValueError) as error:
            raise BulkUsageError(str(error)) from error

    def _count(self) -> None:
        self.tally.total = self.inputs.count()

    def _summary(self, requests: Requests, errors: ErrorsFile) -> Summary:
        tally, seconds = self.tally, self.tally.seconds
        return Summary(
            computed=tally.computed,
            copied=tally.copied,
            skipped=tally.skipped,
            failed=tally.failed,
            interrupted=self.stopping.is_set(),
            seconds=round(seconds, 3),
            images_per_second=round(tally.per_second(tally.computed), 2),
            megapixels_per_second=round(tally.per_second(tally.pixels / 1e6), 3),
            most_in_flight=requests.places.most_taken,
            errors=str(errors.path),
        )
