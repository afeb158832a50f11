"""Bulk work as a library: what `atelier bulk` does, in one function.

Example:
    >>> from atelier.bulk import Classify, Generate, Stylize, run
    >>> summary = run(Stylize("great_wave"), "photos", "out")
    >>> summary.failed
    0
    >>> _ = run(Classify(top=1), "s3://bucket/photos", "movements.parquet")
    >>> _ = run(Generate("ukiyo_e"), range(1000), "out.tar")

`run_on_ray` is the same on a Ray cluster. `AsyncClient.stylize_many` is what lies beneath: results
as they finish, without files and without a ledger.
"""

import asyncio
import math
import os
from pathlib import Path
from typing import Any

from atelier._async_client import AsyncClient
from atelier._bulk.bulk import MAX_IN_FLIGHT, Bulk, BulkUsageError, Summary, inputs_for
from atelier._bulk.run import OutputError
from atelier._bulk.task import Task
from atelier._bulk.tasks import Classify, Generate, Reconstruct, Stylize

__all__ = [
    "BulkUsageError",
    "Classify",
    "Generate",
    "OutputError",
    "Reconstruct",
    "Stylize",
    "Summary",
    "Task",
    "run",
    "run_on_ray",
]


def run(
    task: Task,
    source: str | os.PathLike[str] | range,
    out: str | os.PathLike[str],
    *,
    url: str = "localhost:8001",
    timeout: float | None = 30.0,
    patience: float | None = 300.0,
    force: bool = False,
    state: str | os.PathLike[str] | None = None,
) -> Summary:
    """Makes a bulk run, and returns once every input is finished or has failed.

    It may be killed at any moment; the same call goes on where it was. Where an event loop runs
    already, call it in a thread.

    Args:
        task: `Stylize`, `Classify`, `Reconstruct` or `Generate` with its options.
        source: A folder, a glob, a list file, "-" for such a list on standard input, a tar, the
            shards of a WebDataset, or a URL for fsspec; for `Generate` a range of seeds.
        out: A folder, a tar or a URL; for `Classify` a table: .csv, .jsonl or .parquet.
        url: The server's address.
        timeout: Seconds for each request, or None for no limit.
        patience: Seconds to wait for a server that restarts or has too much to do; None is for
            ever.
        force: Whether what is finished is computed again.
        state: A folder for the ledger, in place of the output's own.

    Raises:
        BulkUsageError: It cannot begin: nothing was done.
        InvalidRequest: The server refuses the options: nothing was done.
        AtelierError: The server answered nothing for too long; the same call goes on.
        OutputError: Nothing more can be written; what is there is whole.
    """
    return _made(Bulk, task, source, out, url, timeout, patience, force, state)


def run_on_ray(
    task: Task,
    source: str | os.PathLike[str] | range,
    out: str | os.PathLike[str],
    *,
    url: str = "localhost:8001",
    worker_url: str | None = None,
    workers: int = 2,
    timeout: float | None = 30.0,
    patience: float | None = 300.0,
    force: bool = False,
    state: str | os.PathLike[str] | None = None,
) -> Summary:
    """Makes the run of `run` on a Ray cluster: Ray Data's `map_batches` deals the images out.

    The caller's machine lists the inputs and keeps the ledger, so that either function goes on
    where the other was. Connect before with `ray.init`, or let Ray start on this machine alone.
    Needs the extra `ray`.

    Args:
        task: As in `run`.
        source: What every node reaches under the same name: files of a shared file system, or a
            URL.
        out: The same; not a tar, which has one writer.
        url: The server, as the caller reaches it.
        worker_url: The server, as the workers reach it, if that differs: "localhost:8001" where
            each node has its own, all with the same versions of the models.
        workers: How many there are, spread over the nodes. Each keeps many requests in flight.
        timeout: As in `run`.
        patience: As in `run`.
        force: As in `run`.
        state: As in `run`.

    Raises:
        ModuleNotFoundError: Ray is not installed.
        Exception: As in `run`.
    """
    from atelier._bulk.on_ray import RayBulk

    return _made(
        RayBulk, task, source, out, url, timeout, patience, force, state,
        worker_url=worker_url or url, workers=workers,
    )  # fmt: skip


def _made(
    kind: type[Bulk],
    task: Task,
    source: str | os.PathLike[str] | range,
    out: str | os.PathLike[str],
    url: str,
    timeout: float | None,
    patience: float | None,
    force: bool,
    state: str | os.PathLike[str] | None,
    **more: Any,
) -> Summary:
    async def run() -> Summary:
        inputs = inputs_for(source, os.fspath(out))
        async with AsyncClient(url, timeout=timeout, retries=0, max_in_flight=MAX_IN_FLIGHT) as art:
            return await kind(
                art, task, inputs, os.fspath(out), math.inf if patience is None else patience,
                force, None if state is None else Path(state), **more,
            ).run()  # fmt: skip

    return asyncio.run(run())
