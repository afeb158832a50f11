"""`AsyncClient.stylize_many`, without a server."""

import asyncio
from contextlib import aclosing

import grpc
import pytest

from atelier import AsyncClient, InvalidRequest, Unreachable
from atelier._bulk import many, patience
from atelier.testing import MockTransport, StatusError


def echo(request):
    return {"stylized": request.inputs["image"]}


class Gate(MockTransport):
    """Answers a request when it is let through."""

    def __init__(self):
        super().__init__(echo)
        self.waiting = []
        self.came = asyncio.Condition()

    async def send_async(self, request, timeout):
        turn = asyncio.get_running_loop().create_future()
        async with self.came:
            self.waiting.append(turn)
            self.came.notify_all()
        await turn
        return self.send(request, timeout)

    async def let_through(self, count):
        async with self.came:
            await self.came.wait_for(lambda: len(self.waiting) >= count)
            return [self.waiting.pop(0) for _ in range(count)]


async def test_every_source_comes_back_with_its_result(picture, tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(picture())
    sources = [path, str(path), picture("jpeg"), tmp_path / "gone.png", b"no image", 5]
    art = AsyncClient(transport=MockTransport(echo))
    results = {id(r.source): r async for r in art.stylize_many(sources, "udnie", quality=7)}
    good = [results[id(source)] for source in sources[:3]]
    assert [result.encoded for result in good] == [picture(), picture(), picture("jpeg")]
    assert good[0].image.size == (20, 16)
    errors = [results[id(source)].error for source in sources[3:]]
    assert [type(error) for error in errors] == [FileNotFoundError, InvalidRequest, TypeError]
    with pytest.raises(FileNotFoundError):
        _ = results[id(sources[3])].image


async def test_results_come_as_they_finish(picture):
    transport = Gate()
    images = [picture("png", (20 + i, 16)) for i in range(50)]

    async def sources():
        for image in images:
            yield image

    async with aclosing(AsyncClient(transport=transport).stylize_many(sources(), "udnie")) as found:
        following = asyncio.ensure_future(anext(found))
        order = []
        # The limit begins at 1; once it is 2, the second request is answered first.
        while len(order) < 40:
            turns = await transport.let_through(1)
            if len(order) > 10:
                turns += await transport.let_through(1)
            for turn in reversed(turns):
                turn.set_result(None)
                order.append((await following).encoded)
                following = asyncio.ensure_future(anext(found))
        following.cancel()
    assert order != images[: len(order)]
    assert len(set(order)) == len(order)


async def test_sources_are_taken_as_there_is_room(picture):
    taken = 0

    def sources():
        nonlocal taken
        while True:
            taken += 1
            yield picture()

    transport = Gate()
    found = AsyncClient(transport=transport, max_in_flight=4).stylize_many(sources(), "udnie")
    following = asyncio.ensure_future(anext(found))
    for _ in range(30):
        (turn,) = await transport.let_through(1)
        turn.set_result(None)
        await following
        following = asyncio.ensure_future(anext(found))
    assert len(transport.requests) <= taken <= 30 + 2 * 4 + many.AHEAD + 1
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


def unavailable(_):
    raise StatusError(grpc.StatusCode.UNAVAILABLE, "failed to connect")


class Clock:
    """Goes on by the pauses alone."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        self.pauses = []
        monkeypatch.setattr(patience.Patience.__init__, "__defaults__", (self.read, self.sleep))

    def read(self):
        return self.now

    async def sleep(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds


async def test_a_server_that_is_away_is_waited_for(picture, monkeypatch):
    clock = Clock(monkeypatch)

    def away_for_a_while(request):
        return unavailable(request) if clock.now < 50 else echo(request)

    art = AsyncClient(transport=MockTransport(away_for_a_while), retries=0)
    results = [r.error async for r in art.stylize_many([picture()] * 20, "udnie", patience=100)]
    assert results == [None] * 20
    assert 50 <= clock.now < 60


async def test_it_gives_up_after_its_patience(picture, monkeypatch):
    clock = Clock(monkeypatch)
    art = AsyncClient(transport=MockTransport(unavailable), retries=0)
    with pytest.raises(Unreachable):
        async for _ in art.stylize_many([picture()] * 20, "udnie", patience=100):
            pass
    assert 90 < clock.now <= 100


async def test_an_image_on_which_the_server_fails_is_tried_three_times(picture, monkeypatch):
    clock = Clock(monkeypatch)

    def fail(request):
        raise StatusError(grpc.StatusCode.INTERNAL, "no")

    transport = MockTransport(fail)
    art = AsyncClient(transport=transport)
    (result,) = [r async for r in art.stylize_many([picture()], "udnie", patience=None)]
    assert result.error is not None
    assert (len(transport.requests), len(clock.pauses)) == (3, 2)


async def test_a_refused_image_is_sent_once(picture):
    def refuse(request):
        raise StatusError(grpc.StatusCode.INVALID_ARGUMENT, "no such style")

    transport = MockTransport(refuse)
    art = AsyncClient(transport=transport)
    (result,) = [r async for r in art.stylize_many([picture()], "udnie")]
    assert isinstance(result.error, InvalidRequest)
    assert len(transport.requests) == 1
