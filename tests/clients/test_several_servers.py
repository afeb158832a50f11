"""Both clients with several servers, real ones of gRPC that answer by script."""

import asyncio
import pickle
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import grpc
import pytest

from atelier import (
    AsyncClient,
    Client,
    DeadlineExceeded,
    Overloaded,
    Unreachable,
    _balancer,
    _resolver,
)
from atelier._cli.root import run
from fakes.waiting import HANG_SECONDS

DRAINING = (grpc.StatusCode.UNAVAILABLE, "Server is stopping to serve requests.")
QUEUE_FULL = (grpc.StatusCode.UNAVAILABLE, "Exceeds maximum queue size")


class Synchronous:
    """Leads an AsyncClient from outside of its loop, so that one test is for both clients."""

    def __init__(self, *arguments, **options):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._art = AsyncClient(*arguments, **options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __getattr__(self, name):
        def call(*arguments, **options):
            coroutine = getattr(self._art, name)(*arguments, **options)
            return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(HANG_SECONDS)

        return call


@pytest.fixture(params=[Client, Synchronous], ids=["sync", "async"])
def client(request):
    """Makes a client of either kind."""
    return request.param


def urls(servers) -> list[str]:
    return [server.url for server in servers]


def counts(servers) -> list[int]:
    return [len(server.requests) for server in servers]


@pytest.mark.parametrize("form", [list, ",".join, ", ".join])
def test_requests_are_spread_over_all_of_them(three_servers, client, jpeg, form):
    with client(form(urls(three_servers))) as art:
        for _ in range(6):
            art.stylize(jpeg, "udnie")
    assert counts(three_servers) == [2, 2, 2]


def test_a_busy_one_gets_no_more_as_long_as_others_have_less(three_servers, client, jpeg):
    held = three_servers[0].hold()
    with client(urls(three_servers)) as art, ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(art.stylize, jpeg, "udnie")
        three_servers[0].wait_for(lambda: three_servers[0].requests)
        for _ in range(6):
            art.stylize(jpeg, "udnie")
        assert counts(three_servers) == [1, 3, 3]
        held.set()
        waiting.result()


@pytest.mark.parametrize("trouble", [DRAINING, QUEUE_FULL])
def test_a_call_goes_elsewhere_at_once(three_servers, client, clock, jpeg, trouble):
    three_servers[0].script = [trouble]
    with client(urls(three_servers)) as art:
        for _ in range(5):
            art.stylize(jpeg, "udnie")
    assert counts(three_servers) == [1, 3, 2]
    assert not clock.pauses


def test_nobody_at_one_address(server, client, clock, jpeg):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with client([f"127.0.0.1:{nobody.getsockname()[1]}", server.url]) as art:
            for _ in range(3):
                art.stylize(jpeg, "udnie")
    assert len(server.requests) == 3
    assert not clock.pauses


def test_where_all_are_overloaded_there_is_a_pause(three_servers, client, clock, jpeg):
    for server in three_servers:
        server.script = [QUEUE_FULL]
    with client(urls(three_servers)) as art:
        art.stylize(jpeg, "udnie")
    assert sum(counts(three_servers)) == 4
    assert len(clock.pauses) == 1


def test_no_retries_is_one_attempt_and_the_error_names_its_server(three_servers, client, jpeg):
    three_servers[0].script = [QUEUE_FULL]
    words = f"the server at {three_servers[0].url} has too much to do"
    with client(urls(three_servers), retries=0) as art, pytest.raises(Overloaded, match=words):
        art.stylize(jpeg, "udnie")
    assert counts(three_servers) == [1, 0, 0]


@pytest.fixture
def short_silence(monkeypatch):
    monkeypatch.setattr(_balancer, "SILENCE", 0.1)


@pytest.mark.usefixtures("short_silence")
def test_one_that_hangs_is_left(server, client, jpeg):
    with ExitStack() as stack:
        mute = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        both = [f"127.0.0.1:{mute.getsockname()[1]}", server.url]
        art = stack.enter_context(client(both, timeout=None))
        for _ in range(3):
            art.stylize(jpeg, "udnie")
    assert len(server.requests) == 3


@pytest.mark.usefixtures("short_silence")
def test_one_that_works_long_is_probed_and_waited_for(three_servers, client, jpeg):
    first = three_servers[0]
    held = first.hold()
    with client(urls(three_servers)) as art, ThreadPoolExecutor(1) as threads:
        call = threads.submit(art.stylize, jpeg, "udnie")
        first.wait_for(lambda: first.probes)
        held.set()
        call.result()
    assert counts(three_servers) == [1, 0, 0]


def test_a_name_stands_for_all_of_its_addresses(three_servers, client, jpeg, monkeypatch):
    port = int(three_servers[0].url.rpartition(":")[2])
    addresses = ["127.0.0.1", "127.0.0.2"]

    def looked_up(host, port, **_):
        assert host == "atelier.example"
        return [(socket.AF_INET, 0, 0, "", (each, port)) for each in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    monkeypatch.setattr(_resolver, "FRESH_SECONDS", 0)
    with client(f"atelier.example:{port}") as art:
        for _ in range(4):
            art.stylize(jpeg, "udnie")
        assert counts(three_servers) == [2, 2, 0]
        # Another replica, in the place of the first.
        addresses[:] = ["127.0.0.2", "127.0.0.3"]
        while not three_servers[2].requests:
            art.stylize(jpeg, "udnie")
        before = counts(three_servers)[0]
        for _ in range(4):
            art.stylize(jpeg, "udnie")
        assert counts(three_servers)[0] == before


def test_a_name_that_there_is_not(client, clock):
    words = r"cannot reach the server at nowhere\.invalid:8001"
    with client("nowhere.invalid:8001", retries=0) as art, pytest.raises(Unreachable, match=words):
        art.styles()


def test_a_name_that_nobody_looks_up_in_time(client, monkeypatch):
    ended = threading.Event()

    def looked_up(*_, **__):
        ended.wait(HANG_SECONDS)
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    with client("slow.invalid:8001") as art, pytest.raises(DeadlineExceeded):
        art.styles(timeout=0.1)
    ended.set()


def test_a_copy_in_another_process_connects_again(three_servers, jpeg):
    with Client(urls(three_servers)) as art, pickle.loads(pickle.dumps(art)) as copy:
        for _ in range(3):
            copy.stylize(jpeg, "udnie")
    assert counts(three_servers) == [1, 1, 1]


def test_closing_ends_calls_under_way(three_servers, client, jpeg):
    for server in three_servers:
        server.hold()
    with client(urls(three_servers), timeout=None) as art, ThreadPoolExecutor(1) as threads:
        call = threads.submit(art.stylize, jpeg, "udnie")
        three_servers[0].wait_for(lambda: three_servers[0].requests)
        art.close()
        with pytest.raises(Unreachable):
            call.result()


def test_the_command_line_takes_several(three_servers, capsys):
    url = ",".join(urls(three_servers))
    assert run(["styles", "--url", url]) == 0
    assert capsys.readouterr().out.split() == ["great_wave", "udnie"]
    assert run(["styles", "--url", f"{url},{url}"]) == 2
    assert "each of them once" in capsys.readouterr().err


@pytest.mark.parametrize("url", [[], "", "a:1,a:1", ["a:1", "http://b:1"]])
def test_addresses_that_are_none(url):
    with pytest.raises(ValueError, match="url"):
        Client(url)
