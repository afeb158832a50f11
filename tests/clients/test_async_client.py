"""What the asynchronous client does beyond its twin."""

import asyncio
import time

import numpy as np
import pytest

from atelier import AsyncClient, DeadlineExceeded, Unreachable


async def test_many_at_once_and_no_more_than_allowed(server, picture):
    photo = picture("jpeg")
    server.script = [0.1] * 12
    async with AsyncClient(server.url, max_in_flight=3) as art:
        await asyncio.gather(*(art.stylize(photo, "udnie") for _ in range(12)))
    assert len(server.requests) == 12
    assert 2 <= server.most_working <= 3


async def test_waiting_for_a_place_counts(server, picture):
    server.script = [1.0]
    async with AsyncClient(server.url, max_in_flight=1) as art:
        first = asyncio.create_task(art.stylize(picture("jpeg"), "udnie"))
        await asyncio.sleep(0.1)
        start = time.monotonic()
        with pytest.raises(DeadlineExceeded, match="timeout of"):
            await art.stylize(picture("jpeg"), "udnie", timeout=0.2)
        assert time.monotonic() - start < 0.8
        await first


async def test_the_loop_stays_free_while_a_large_picture_is_encoded(server):
    noise = np.random.default_rng(0).integers(0, 256, (3000, 3000, 3), dtype=np.uint8)
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.005)
            longest = max(longest, time.perf_counter() - before)

    async with AsyncClient(server.url) as art:
        await art.styles()
        watching = asyncio.create_task(watch())
        start = time.perf_counter()
        await art.stylize(noise, "udnie")
        whole = time.perf_counter() - start
        watching.cancel()
    assert len(server.inputs["image"]) > 10_000_000
    assert longest < whole / 2


async def test_a_cancelled_call_gives_its_place_back(server, picture):
    server.script = [1.0]
    async with AsyncClient(server.url, max_in_flight=1) as art:
        call = asyncio.create_task(art.stylize(picture("jpeg"), "udnie"))
        while not server.requests:
            await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await art.stylize(picture("jpeg"), "udnie", timeout=5)


async def test_closing_ends_calls_under_way(server, picture):
    server.script = [1.5]
    art = AsyncClient(server.url)
    call = asyncio.create_task(art.stylize(picture("jpeg"), "udnie"))
    while not server.requests:
        await asyncio.sleep(0.01)
    await art.close()
    with pytest.raises(Unreachable):
        await asyncio.wait_for(call, 1)
    with pytest.raises(RuntimeError, match="is closed"):
        await art.styles()


async def test_closing_ends_a_call_between_two_attempts(picture):
    art = AsyncClient("127.0.0.1:1", retries=1000, timeout=60)
    call = asyncio.create_task(art.stylize(picture("jpeg"), "udnie"))
    await asyncio.sleep(0.5)
    assert not call.done()
    await art.close()
    with pytest.raises(Unreachable):
        await asyncio.wait_for(call, 5)


async def test_a_client_never_used_closes(server):
    await AsyncClient(server.url).close()


def test_it_can_be_made_before_the_loop_runs(server):
    art = AsyncClient(server.url)

    async def use() -> list[str]:
        async with art:
            return await art.styles()

    assert asyncio.run(use()) == ["great_wave", "udnie"]


def test_settings_out_of_range():
    with pytest.raises(ValueError, match="max_in_flight 0"):
        AsyncClient(max_in_flight=0)
