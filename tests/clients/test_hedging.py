"""A second request to another server, where the first one takes long."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from atelier import AsyncClient, Client
from atelier._hedging import NEEDED, REMEMBERED, Hedging
from atelier._retry_budget import RetryBudget
from atelier._transport import Request

ASK = Request("ModelInfer", "stylize", b"")


@pytest.fixture(params=["sync", "async"])
def session(request):
    """Has a function use `stylize(image)` of a client of either kind that hedges."""

    def run(urls, use):
        if request.param == "sync":
            with Client(urls, hedge=True) as art:
                use(lambda image: art.stylize(image, "udnie"))
            return

        async def within():
            async with AsyncClient(urls, hedge=True) as art:
                loop = asyncio.get_running_loop()

                def stylize(image):
                    call = art.stylize(image, "udnie")
                    return asyncio.run_coroutine_threadsafe(call, loop).result()

                await asyncio.to_thread(use, stylize)

        asyncio.run(within())

    return run


def test_the_first_answer_counts(three_servers, session, picture):
    image = picture("jpeg")

    def use(stylize):
        for _ in range(NEEDED + 1):
            stylize(image)
        held = three_servers[0].hold()
        assert stylize(image)
        held.set()

    session([server.url for server in three_servers], use)
    assert [len(server.requests) for server in three_servers] == [8, 8, 7]


def test_without_a_token_there_is_no_second_request(three_servers, session, picture, monkeypatch):
    image = picture("jpeg")
    asked = threading.Event()
    monkeypatch.setattr(RetryBudget, "spend", lambda budget: asked.set())

    def use(stylize):
        for _ in range(NEEDED + 1):
            stylize(image)
        held = three_servers[0].hold()
        with ThreadPoolExecutor(1) as threads:
            answer = threads.submit(stylize, image)
            asked.wait()
            held.set()
            assert answer.result()

    session([server.url for server in three_servers], use)
    assert [len(server.requests) for server in three_servers] == [8, 7, 7]


def test_the_delay_is_the_95th_percentile_of_the_recent_answers_of_a_model():
    hedging = Hedging(RetryBudget())
    for _ in range(NEEDED - 1):
        hedging.learn(ASK, 1.0)
    assert hedging.delay(ASK) is None
    hedging.learn(ASK, 9.0)
    assert hedging.delay(ASK) == 9.0
    for seconds in range(REMEMBERED):
        hedging.learn(ASK, float(seconds))
    assert hedging.delay(ASK) == 121.0
    assert hedging.delay(Request("ModelInfer", "generate", b"")) is None
    assert hedging.delay(Request("ModelReady", "stylize", b"")) is None
