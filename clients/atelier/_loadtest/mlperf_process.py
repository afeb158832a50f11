"""What runs in the process of MLPerf's LoadGen: the service as its system under test."""

import asyncio
import threading
import time
from collections import Counter
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Final

import mlperf_loadgen as loadgen

from atelier._balanced_transport import async_transport_to
from atelier._loadtest.loops import Send
from atelier._loadtest.sender import sender
from atelier._loadtest.workload import Workload

_IN_FLIGHT: Final = 32
"""Requests of one query at a time: `Offline` gives all of its samples at once."""
_FIRST_REQUESTS: Final = 8
"""Sent before LoadGen starts: it has no warm-up, and wants to know how quick the service is."""
_MULTI_STREAM_QUERIES: Final = 662
"""At least, as MLPerf's own configuration has it: its percentile, p99, takes so many."""


@dataclass(frozen=True)
class LoadGenSettings:
    """Those of LoadGen's settings that are not left at its defaults.

    Attributes:
        scenario: SingleStream, MultiStream, Server or Offline.
        seconds: The shortest duration.
        rate: Queries a second, for Server and Offline.
        limit: Seconds, for Server.
        quantile: Of the latency that is to be below the limit, for Server.
        seed: Of the schedule and of the choice of samples.
    """

    scenario: str
    seconds: float
    rate: float
    limit: float
    quantile: float
    seed: int


def run_loadgen(
    connection: "Connection[Any, Any]",
    workload: Workload,
    settings: LoadGenSettings,
    folder: str,
    url: str,
    timeout: float,
) -> None:
    """Runs LoadGen, and sends how many requests failed, by what failed."""
    loop = asyncio.new_event_loop()
    transport = async_transport_to(url)
    send = sender(transport, workload, url=url, timeout=timeout)
    fastest = min(loop.run_until_complete(_timed(send, n)) for n in range(_FIRST_REQUESTS))
    service = _Service(send, loop)
    threading.Thread(target=loop.run_forever, daemon=True).start()
    count = len(workload.samples)
    system = loadgen.ConstructSUT(service.issue, lambda: None)
    library = loadgen.ConstructQSL(count, count, lambda _: None, lambda _: None)
    logs = loadgen.LogSettings()
    logs.log_output.outdir = folder
    logs.log_output.copy_summary_to_stdout = False
    logs.enable_trace = False
    loadgen.StartTestWithLogSettings(system, library, _test_settings(settings, fastest), logs)
    loadgen.DestroyQSL(library)
    loadgen.DestroySUT(system)
    connection.send(dict(service.failures))


class _Service:
    """The system under test."""

    def __init__(self, send: Send, loop: asyncio.AbstractEventLoop) -> None:
        self._send = send
        self._loop = loop
        self._turns = asyncio.Semaphore(_IN_FLIGHT)
        self._under_way: set[asyncio.Task[None]] = set()
        self.failures: Counter[str] = Counter()

    def issue(self, samples: Any) -> None:
        """Is called by LoadGen with a query's samples, in a thread of its own."""
        pairs = [(sample.id, sample.index) for sample in samples]
        self._loop.call_soon_threadsafe(self._start, pairs)

    def _start(self, samples: list[tuple[int, int]]) -> None:
        alone = len(samples) == 1
        for identifier, index in samples:
            task = self._loop.create_task(self._answer(identifier, index, alone))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _answer(self, identifier: int, index: int, alone: bool) -> None:
        if alone:
            failure = await self._send(index)
        else:
            async with self._turns:
                failure = await self._send(index)
        if failure:
            self.failures[failure] += 1
        loadgen.QuerySamplesComplete([loadgen.QuerySampleResponse(identifier, 0, 0)])


async def _timed(send: Send, number: int) -> float:
    start = time.perf_counter()
    await send(number)
    return time.perf_counter() - start


def _test_settings(settings: LoadGenSettings, fastest: float) -> Any:
    test = loadgen.TestSettings()
    test.scenario = getattr(loadgen.TestScenario, settings.scenario)
    test.mode = loadgen.TestMode.PerformanceOnly
    test.min_duration_ms = round(settings.seconds * 1e3)
    test.schedule_rng_seed = test.sample_index_rng_seed = test.qsl_rng_seed = settings.seed
    # As many queries are made beforehand as this takes in the duration: twice what may be sent.
    expected = round(fastest / 2 * 1e9)
    test.single_stream_expected_latency_ns = test.multi_stream_expected_latency_ns = expected
    if settings.scenario == "MultiStream":
        test.min_query_count = _MULTI_STREAM_QUERIES
    if settings.scenario == "Server":
        test.server_target_qps = settings.rate
        test.server_target_latency_ns = round(settings.limit * 1e9)
        test.server_target_latency_percentile = settings.quantile
    if settings.scenario == "Offline":
        test.offline_expected_qps = settings.rate
    return test
