"""A server that stalls for a second: what an open loop shows of it, and a closed loop hides."""

import math
import os
import signal
from dataclasses import replace

import numpy as np
import pytest

from atelier._loadtest.latencies import Latencies
from atelier._loadtest.loops import open_loop
from atelier._loadtest.measure import Driven, Window, closed_drive, measure, open_drive
from atelier._loadtest.profile import moments, steady
from atelier._loadtest.recording import Recording
from atelier._loadtest.sender import sender
from atelier._loadtest.summary import Sent, client_was_the_bottleneck, run_summary
from atelier._loadtest.terminal import sentences
from fakes.one_worker import OneWorker, one_sample
from fakes.simulated_time import run_simulated

RATE, SECONDS, SERVICE = 50, 20.0, 0.005
LEAD = 0.1
STALL = (LEAD + 10.0, LEAD + 11.0)
HDR = 1.001
"""The histogram's precision."""


def run(make_drive, planned=None, server=None):
    workload = one_sample()
    segments = steady(RATE, SECONDS)

    async def measured():
        transport = server() if server else OneWorker(SERVICE, STALL)
        send = sender(transport, workload, url="mock:1", timeout=30)
        recording = Recording(SECONDS)
        window = Window(SECONDS)
        sent = await measure(make_drive(send), workload, recording, window, planned)
        return run_summary(recording, sent, segments)

    return run_simulated(measured())


@pytest.fixture
def planned():
    return moments(steady(RATE, SECONDS), "constant", np.random.default_rng(0))


@pytest.fixture
def open_run(planned):
    return run(lambda send: open_drive(send, planned), planned)


def by_hand(planned):
    """The latency of each request: it begins when it is due and the one before it is done."""
    free, latencies = 0.0, []
    for due in planned:
        start = max(due, free)
        if 10.0 - SERVICE < start < 11.0:
            free = 11.0 + SERVICE - max(0.0, 10.0 - start)
        else:
            free = start + SERVICE
        latencies.append(free - due)
    return np.sort(latencies)


def test_the_percentiles_are_those_computed_by_hand(open_run, planned):
    expected = by_hand(planned)
    assert len(expected) == open_run["answered"] == 1000
    # 50 are due in the stall, and 17 more while they are worked off.
    assert (expected > 2 * SERVICE).sum() == pytest.approx(66, abs=1)
    for name, quantile in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        value = open_run["latency"][name]["seconds"]
        by_rank = expected[math.ceil(quantile * 1000 - 1e-9) - 1]
        assert by_rank / HDR <= value <= by_rank * HDR
    assert open_run["latency"]["longest"] == pytest.approx(1.0 + SERVICE, rel=1e-3)
    assert open_run["latency"]["p99.9"] == {"refused": "needs 4,603 requests; there are 1,000"}


def test_bounds_lie_around_the_percentile_at_their_ranks(open_run, planned):
    expected, entry = by_hand(planned), open_run["latency"]["p99"]
    # Of 1,000, with 99 % each: at most 18 and at least 2 are above it.
    assert entry["low"] == pytest.approx(expected[982 - 1], rel=1e-3)
    assert entry["high"] == pytest.approx(expected[998 - 1], rel=1e-3)


def test_the_client_is_not_late_and_does_not_claim_to_be(open_run):
    assert open_run["lateness"]["longest"] <= 1e-6
    assert not open_run["client_was_the_bottleneck"]
    assert open_run["not_sent_or_not_done"] == 0


def test_a_closed_loop_beside_it_hides_the_stall():
    lied = run(lambda send: closed_drive(send, 1, SECONDS))
    # One caller sends 200 a second before and after the stall, and a single request in it.
    assert lied["answered"] == pytest.approx(3800, abs=2)
    assert lied["latency"]["p99"]["seconds"] == pytest.approx(SERVICE, rel=2e-3)
    assert lied["latency"]["longest"] == pytest.approx(1.0 + SERVICE, rel=1e-3)


def test_what_a_client_that_waits_sends_late_counts_as_latency(planned):
    def waiting(send):
        async def drive(start, record):
            # A client that sends a request only when the one before it is done.
            for number in range(len(planned)):
                await open_loop(
                    send, planned, range(number, number + 1), start=start, record=record
                )
            return Driven(len(planned))

        return drive

    late = run(waiting, planned)
    expected = by_hand(planned)
    assert late["latency"]["p95"]["seconds"] == pytest.approx(expected[949], rel=2e-3)
    # From the sending on, it looks as quick as ever.
    assert late["service"]["p99"]["seconds"] == pytest.approx(SERVICE, rel=2e-3)
    assert late["lateness"]["longest"] == pytest.approx(0.985, abs=0.01)
    assert late["client_was_the_bottleneck"]
    assert "The client, not the server, was the bottleneck: it sent" in " ".join(sentences(late))
    assert "Give it more --processes" in " ".join(sentences(late))


def test_a_closed_loop_is_at_its_end_where_its_processes_have_a_core_each():
    busy = Sent(0, 10.0, interrupted=False, processor=9.5, elapsed=10.0)
    assert client_was_the_bottleneck(Recording(10), busy)
    assert not client_was_the_bottleneck(Recording(10), replace(busy, processes=2))
    assert not client_was_the_bottleneck(Recording(10), replace(busy, processor=5.0))


def test_a_server_that_dies_makes_its_percentiles_fail(planned):
    died = run(
        lambda send: open_drive(send, planned), planned, lambda: OneWorker(SERVICE, dies=LEAD + 15)
    )
    assert died["failures"] == {"Unreachable": 250}
    assert died["latency"]["p50"]["seconds"] == pytest.approx(SERVICE, rel=1e-3)
    assert died["latency"]["p95"]["seconds"] == "failed"
    first = next(at for at, each in enumerate(died["intervals"]) if each["failures"])
    assert first == 15


def test_intervals_merge_to_the_whole(open_run):
    whole = Latencies()
    for interval in open_run["intervals"]:
        whole.add(Latencies.decoded(interval["latencies"]))
    assert whole.answered == 1000
    assert whole.percentile(0.99).value == open_run["latency"]["p99"]["seconds"]


def test_ctrl_c_keeps_what_was_measured(planned):
    def interrupted(send):
        async def until_half(number):
            if number == 500:
                os.kill(os.getpid(), signal.SIGINT)
            return await send(number)

        return open_drive(until_half, planned)

    cut = run(interrupted, planned)
    assert cut["interrupted"]
    assert 499 <= cut["answered"] <= 510
    assert cut["not_sent_or_not_done"] == 1000 - cut["answered"]
