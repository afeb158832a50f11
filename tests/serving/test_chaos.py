"""The soak of `bench/chaos.py` in short form: each fault once, under traffic, without its clock."""

import asyncio
import itertools
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from atelier import AsyncClient
from atelier_serving import TritonServer
from fakes.style_network import IN_TWO_STYLES, write_style, write_stylize

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
import chaos
import chaos_faults
from chaos_resources import Sample, growth

CALLS = 8
"""Under way at once."""
HELD = {"memory_mib": 500.0, "shared_memory_mib": 90.0, "threads": 200, "files": 300}
EACH_ONCE = [
    chaos_faults.garbage,
    chaos_faults.clients_that_vanish,
    chaos_faults.connections_that_break_off,
    chaos_faults.flood,
    chaos_faults.pictures_of_many_pixels,
    chaos_faults.stop_of_a_stub,
    chaos_faults.kill_of_a_stub,
]
"""The others have tests of their own, or differ in nothing that matters here."""


@pytest.fixture
def server(tmp_path):
    write_style(tmp_path, {**IN_TWO_STYLES, "udnie": (1, 0)})
    write_stylize(tmp_path, [*IN_TWO_STYLES, "udnie"])
    with TritonServer(tmp_path, options=["--disable-auto-complete-config"]) as running:
        yield chaos_faults.Served(running, tmp_path)


def test_nothing_is_lost_or_wrong(server, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (67, 45, 3), np.uint8)
    kinds = [chaos.Kind(name, 1, ask(pixels, name)) for name in IN_TWO_STYLES]

    async def run():
        traffic = chaos.Traffic(kinds, tmp_path)
        over = asyncio.Event()
        async with AsyncClient(server.server.grpc_url, timeout=chaos.TIMEOUT) as art:
            await traffic.learn(art)

            async def caller():
                while not over.is_set():
                    await traffic.call(art)

            callers = [asyncio.create_task(caller()) for _ in range(CALLS)]
            for fault in EACH_ONCE:
                await asyncio.to_thread(fault, server)
            over.set()
            await asyncio.gather(*callers)
        return traffic.tally

    tally = asyncio.run(run())
    assert not tally.lost
    assert not tally.wrong
    assert tally.served.keys() == IN_TWO_STYLES.keys()


def ask(pixels, style):
    return lambda art: art.stylize(pixels, style)


def test_an_answer_that_differs_is_told():
    white, grey = (np.full((2, 2, 3), value, np.uint8) for value in (255, 250))
    assert chaos.difference(white, white) == ""
    assert chaos.difference(white, grey) == "12 values differ, by 5 at most"
    assert chaos.difference(white, white[:1]) == "the shape (2, 2, 3) in place of (1, 2, 3)"
    assert chaos.difference([white], [white, white]) == "1 images in place of 2"
    assert chaos.difference([white, white], [white, grey])
    assert chaos.difference("cubism", "baroque") == "cubism in place of baroque"


@pytest.mark.parametrize("name", HELD)
def test_growth_is_told(name):
    steady = [Sample(**HELD, processes=9) for _ in range(40)]
    assert growth(steady) == []
    growing = [
        Sample(**{**HELD, name: HELD[name] + 3 * number}, processes=9) for number in range(40)
    ]
    (told,) = growth(growing)
    assert told.startswith(f"{name} grew from")
    assert growth(growing[:3]) == ["3 samples are too few to tell whether anything grew"]


@pytest.fixture
def clock(monkeypatch):
    """Half a minute from one look at it to the next."""
    monkeypatch.setattr(chaos, "time", SimpleNamespace(monotonic=itertools.count(0, 30).__next__))


def soaked(fault):
    """A soak of 100 s with a fault at 30, 60 and 90 s."""
    state = chaos.Soak(chaos_faults.Served(None, Path()), seconds=100, interval=0)
    asyncio.run(state.break_things([fault]))
    assert not state.failed
    return state


def test_faults_that_end_triton_happen_in_the_first_half_only(clock):
    fault = chaos_faults.Fault([].append, ends_triton=True)
    state = soaked(fault)
    assert state.done == {fault.name: 1}
    assert state.steady


@pytest.mark.parametrize(("times", "steady"), [(2, True), (3, False)])
def test_a_server_is_steady_once_it_holds_no_more_by_any_fault(clock, times, steady):
    fault = chaos_faults.Fault([].append, settles_after=times)
    state = soaked(fault)
    assert state.done == {fault.name: 3}
    assert state.steady == steady
