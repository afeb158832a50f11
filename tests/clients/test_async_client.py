"""What the asynchronous client does beyond its twin."""

import asyncio
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from atelier import AsyncClient, Unreachable, _stylize
from atelier._calls import InferBytes
from fakes.waiting import HANG_SECONDS


async def test_many_at_once_and_no_more_than_allowed(server, picture):
    photo = picture("jpeg")
    held = [server.hold() for _ in range(12)]
    async with AsyncClient(server.url, max_in_flight=3) as art, AsyncClient(server.url) as other:
        calls = [asyncio.create_task(art.stylize(photo, "udnie")) for _ in held]
        for number, event in enumerate(held):
            arrived = min(number + 3, 12)
            await asyncio.to_thread(server.wait_for, lambda n=arrived: len(server.requests) >= n)
            # In the time of another call, one too many would come as well.
            await other.styles()
            assert len(server.requests) == arrived
            event.set()
        await asyncio.gather(*calls)
    assert len(server.requests) == 12
    assert server.most_working == 3


async def test_the_timeout_begins_with_the_place(server, picture, clock):
    held = server.hold()
    async with AsyncClient(server.url, max_in_flight=1) as art:
        first = asyncio.create_task(art.stylize(picture("jpeg"), "udnie", timeout=None))
        await asyncio.to_thread(server.wait_for, lambda: server.requests)
        second = asyncio.create_task(art.stylize(picture("jpeg"), "udnie", timeout=60))
        # In the time of another call, the second has come to its wait for a place.
        async with AsyncClient(server.url) as other:
            await other.styles()
        clock.now += 1000
        held.set()
        await asyncio.gather(first, second)
    assert server.requests[-1].parameters["timeout"].int64_param == 60_000_000


async def test_a_timeout_out_of_range_is_refused_at_once(server, picture):
    held = server.hold()
    async with AsyncClient(server.url, max_in_flight=1) as art:
        first = asyncio.create_task(art.stylize(picture("jpeg"), "udnie"))
        await asyncio.to_thread(server.wait_for, lambda: server.requests)
        with pytest.raises(ValueError, match="timeout -1"):
            await art.stylize(picture("jpeg"), "udnie", timeout=-1)
        held.set()
        await first


async def test_the_loop_stays_free_while_pictures_are_worked_on(server, monkeypatch):
    noise = np.random.default_rng(0).integers(0, 256, (2000, 2000, 3), dtype=np.uint8)
    turns = 0
    threads = {}
    turns_meanwhile = {}

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def watched(name, work):
        def run(*arguments, **settings):
            before = turns
            result = work(*arguments, **settings)
            threads[name] = threading.get_ident()
            turns_meanwhile[name] = turns - before
            return result

        return run

    monkeypatch.setattr(InferBytes, "request", watched("pack", InferBytes.request))
    for name in ("encoded_image", "decoded_image"):
        monkeypatch.setattr(_stylize, name, watched(name, getattr(_stylize, name)))
    async with AsyncClient(server.url) as art:
        turning = asyncio.create_task(turn())
        await art.stylize(noise, "udnie")
        turning.cancel()
    assert len(server.inputs["image"]) > 10_000_000
    assert threads.keys() == {"encoded_image", "pack", "decoded_image"}
    assert threading.get_ident() not in threads.values()
    assert turns_meanwhile["encoded_image"] > 0


async def test_a_cancelled_call_gives_its_place_back(server, picture):
    server.hold()
    async with AsyncClient(server.url, max_in_flight=1) as art:
        call = asyncio.create_task(art.stylize(picture("jpeg"), "udnie"))
        await asyncio.to_thread(server.wait_for, lambda: server.requests)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await art.stylize(picture("jpeg"), "udnie")


async def test_closing_ends_calls_under_way(server, picture):
    server.hold()
    art = AsyncClient(server.url, timeout=None)
    call = asyncio.create_task(art.stylize(picture("jpeg"), "udnie"))
    await asyncio.to_thread(server.wait_for, lambda: server.requests)
    await art.close()
    with pytest.raises(Unreachable):
        await call
    with pytest.raises(RuntimeError, match="is closed"):
        await art.styles()


async def test_closing_ends_a_call_between_two_attempts(clock, picture):
    pausing, closed = threading.Event(), threading.Event()

    def pause() -> None:
        pausing.set()
        assert closed.wait(HANG_SECONDS)

    clock.meanwhile = pause
    art = AsyncClient("127.0.0.1:1", retries=1000, timeout=60)
    call = asyncio.create_task(art.stylize(picture("jpeg"), "udnie"))
    assert await asyncio.to_thread(pausing.wait, HANG_SECONDS)
    await art.close()
    closed.set()
    with pytest.raises(Unreachable):
        await call
    assert len(clock.pauses) == 1


async def test_a_client_never_used_closes(server):
    await AsyncClient(server.url).close()


def test_it_can_be_made_before_the_loop_runs(server):
    art = AsyncClient(server.url)

    async def use() -> list[str]:
        async with art:
            return await art.styles()

    assert asyncio.run(use()) == ["great_wave", "udnie"]


def test_one_client_serves_one_loop_after_another(server, picture):
    art = AsyncClient(server.url, max_in_flight=1)

    async def use(last: bool = False) -> list[str]:
        try:
            # With waits for a place, of which each belongs to its loop too.
            await asyncio.gather(*(art.stylize(picture("jpeg"), "udnie") for _ in range(3)))
            return await art.styles()
        finally:
            if last:
                await art.close()

    for last in (False, False, True):
        assert asyncio.run(use(last)) == ["great_wave", "udnie"]


def test_loops_in_two_threads_share_a_client(server):
    art = AsyncClient(server.url)

    async def use(together: threading.Barrier) -> list[str]:
        await art.styles()
        together.wait(HANG_SECONDS)
        return await art.styles()

    together = threading.Barrier(2)
    with ThreadPoolExecutor(2) as threads:
        runs = [threads.submit(asyncio.run, use(together)) for _ in range(2)]
        assert [run.result() for run in runs] == [["great_wave", "udnie"]] * 2
    asyncio.run(art.close())


async def test_a_copy_in_another_process_connects_again(server, picture):
    async with AsyncClient(server.url, max_in_flight=2, timeout=None) as art:
        await art.styles()
        async with pickle.loads(pickle.dumps(art)) as copy:
            assert await copy.styles() == ["great_wave", "udnie"]
            assert (copy.url, copy.timeout) == (server.url, None)


def test_settings_out_of_range():
    with pytest.raises(ValueError, match="max_in_flight 0"):
        AsyncClient(max_in_flight=0)
