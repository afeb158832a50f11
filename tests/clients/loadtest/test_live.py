"""What a run shows while it goes on."""

import asyncio
import io
import math

import numpy as np
import pytest
from rich.console import Console

from atelier._cli.loadtest_progress import drawn, line_of, shown
from atelier._loadtest.clients import OneProcess
from atelier._loadtest.live import Live, WatchedClients
from atelier._loadtest.loops import Outcome
from atelier._loadtest.measure import Window, measure
from atelier._loadtest.profile import moments, steady
from atelier._loadtest.recording import Recording
from atelier._loadtest.sender import sender
from fakes.one_worker import OneWorker, one_sample
from fakes.simulated_time import run_simulated

RATE, SECONDS, SERVICE = 50, 20.0, 0.005
LEAD = 0.1
"""From the call to the run's moment 0."""


def seen_at(moment, make_drive, transport, look):
    """What `look` gives at a moment of a run in simulated time."""
    workload = one_sample()

    async def run():
        loop = asyncio.get_running_loop()
        live = Live(loop.time)
        send = sender(transport, workload, url="mock:1", timeout=30)
        drive, planned = make_drive(WatchedClients(OneProcess(send), live))
        seen = []
        loop.call_at(LEAD + moment, lambda: seen.append(look(live)))
        await measure(drive, workload, Recording(SECONDS), Window(SECONDS), planned)
        return seen[0]

    return run_simulated(run())


def opened(clients):
    planned = moments(steady(RATE, SECONDS), "constant", np.random.default_rng(0))
    return clients.open_drive(planned), planned


def test_it_shows_rates_and_latency_of_the_last_seconds():
    line = seen_at(8.001, opened, OneWorker(SERVICE), line_of)
    assert line == (
        "8 of 20 s: 50.0/s asked, 50.0/s answered, p50 5.00 ms, p95 5.00 ms, longest 5.00 ms, "
        "1 under way"
    )


def test_a_stall_shows_while_it_lasts():
    # From second 10 on, nothing is answered, and 50 requests a second come.
    live = seen_at(
        10.99, opened, OneWorker(SERVICE, (LEAD + 10.0, LEAD + 11.0)),
        lambda live: (live.asked, live.answered, live.under_way),
    )  # fmt: skip
    assert live == (pytest.approx(50, abs=0.3), pytest.approx(40, abs=0.5), 50)


def test_failures_show_by_what_failed():
    line = seen_at(16.001, opened, OneWorker(SERVICE, dies=LEAD + 15), line_of)
    assert "51 Unreachable" in line
    assert "longest failed" in line


def test_a_closed_loop_asks_for_no_rate():
    def closed(clients):
        return clients.closed_drive(3, SECONDS), None

    line = seen_at(8.001, closed, OneWorker(SERVICE), line_of)
    assert line == (
        "8 of 20 s: 200.0/s answered, p50 15.0 ms, p99 15.0 ms, longest 15.0 ms, 3 under way"
    )


def test_a_percentile_that_so_few_requests_cannot_carry_is_not_shown():
    live = Live(lambda: 2.0)
    live.begin(0.0, 30.0, np.arange(30.0), 0)
    for number in range(6):
        live.record(Outcome(number, 1.0, 1.0, 1.2, ""))
    assert live.latency() == {"longest": pytest.approx(0.2)}
    live.record(Outcome(6, 1.0, 1.0, 1.9, "Overloaded"))
    assert live.latency() == {"p50": pytest.approx(0.2), "longest": math.inf}


def test_a_terminal_has_a_bar_above_the_figures():
    live = Live(lambda: 10.0)
    live.begin(0.0, 20.0, np.arange(20.0), 0)
    text = io.StringIO()
    Console(file=text, force_terminal=True, color_system=None, width=80).print(drawn(live))
    bar, figures = text.getvalue().splitlines()
    assert bar.strip().endswith("10 of 20 s")
    assert figures.startswith("1.0/s asked, 0.0/s answered, 11 under way")


def test_there_is_nothing_to_draw_before_a_run():
    text = io.StringIO()
    Console(file=text).print(drawn(Live()), end="")
    assert text.getvalue() == ""


def test_where_there_is_no_terminal_it_is_a_line(capsys):
    live = Live(lambda: 10.0)
    with shown(live):
        assert not live.begun
    assert capsys.readouterr().err == ""
    with shown(live):
        live.begin(0.0, 20.0, np.arange(20.0), 0)
    assert capsys.readouterr().err == f"{line_of(live)}\n"
