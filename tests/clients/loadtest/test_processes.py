"""Several client processes and one plan."""

import asyncio

import numpy as np
import pytest

from atelier._loadtest.processes import Processes
from fakes.mock_server import serving
from fakes.one_worker import one_sample

PLANNED = np.sort(np.random.default_rng(0).uniform(0, 0.5, 100))


@pytest.fixture(scope="module")
def served():
    with serving([]) as server:
        yield server


def processes(served):
    return Processes(3, one_sample(), url=served.url, timeout=30)


async def test_each_request_has_its_number_and_its_moment(served):
    found = []
    async with processes(served) as clients:
        for _ in range(2):  # They take one order after another.
            found.clear()
            now = asyncio.get_running_loop().time()
            driven = await clients.open_drive(PLANNED)(now, found.append)
            assert sorted(outcome.number for outcome in found) == list(range(len(PLANNED)))
            assert all(outcome.planned == PLANNED[outcome.number] for outcome in found)
            assert all(outcome.sent >= outcome.planned for outcome in found)
            assert not any(outcome.failure for outcome in found)
            assert (driven.count, driven.processes) == (len(PLANNED), 3)
            assert driven.processor > 0


async def test_enough_ends_a_plan_in_all_of_them(served):
    found = []
    planned = np.linspace(0, 60, 6000)
    async with processes(served) as clients:
        now = asyncio.get_running_loop().time()
        driven = await clients.open_drive(planned, lambda: len(found) >= 30)(now, found.append)
    assert 30 <= driven.count == len(found) < len(planned)


async def test_what_is_cancelled_keeps_what_was_done(served):
    found = []
    two_hours_later = np.concatenate([np.linspace(0, 0.2, 9), np.full(9, 7200.0)])
    async with processes(served) as clients:
        now = asyncio.get_running_loop().time()
        driving = asyncio.ensure_future(clients.open_drive(two_hours_later)(now, found.append))
        while len(found) < 9:
            await asyncio.sleep(0.01)
        driving.cancel()
        driven = await driving
    assert driven.count == len(found) == 9
