"""Three real servers under steady load: one drains, one is killed, one hangs; all are replaced."""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from atelier import Client
from atelier_serving import TritonServer
from fakes.triton import COMPLETE
from fakes.waiting import HANG_SECONDS, until

CONFIG = """
name: "stylize"
backend: "python"
max_batch_size: 1
input [
  { name: "image" data_type: TYPE_STRING dims: [ 1 ] },
  { name: "style" data_type: TYPE_STRING dims: [ 1 ] }
]
output { name: "stylized" data_type: TYPE_STRING dims: [ 1 ] }
instance_group { kind: KIND_CPU count: 1 }
"""
ECHO = """
import time

import triton_python_backend_utils as pb_utils

VERSION = b"{version}"


class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            time.sleep(0.01)
            image = pb_utils.get_input_tensor_by_name(request, "image").as_numpy()
            output = pb_utils.Tensor("stylized", image + VERSION)
            responses.append(pb_utils.InferenceResponse([output]))
        return responses
"""
CALLERS = 6
PAUSE = 0.03
"""Seconds between an answer and the next call, for others on this machine."""
TIMEOUT = HANG_SECONDS


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """A repository of a version of `stylize`, which returns the image with that number behind."""

    def write(version: int) -> Path:
        path = tmp_path_factory.mktemp("model_repository")
        (path / f"stylize/{version}").mkdir(parents=True)
        (path / "stylize/config.pbtxt").write_text(CONFIG)
        code = ECHO.replace("{version}", str(version))
        (path / f"stylize/{version}/model.py").write_text(code)
        return path

    return write


class Fleet:
    """Three servers, each at an address of its own that its successor takes over."""

    def __init__(self, repository: Path) -> None:
        self.repository = repository
        self.servers: list[TritonServer] = []
        self._all: list[TritonServer] = []
        for _ in range(3):
            self.servers.append(self._start(0))
        self.urls = [server.grpc_url for server in self.servers]

    def replace(self, server: TritonServer) -> TritonServer:
        """Starts the successor of a server that has ended."""
        port = int(server.grpc_url.rpartition(":")[2])
        successor = self._start(port)
        self.servers[self.servers.index(server)] = successor
        return successor

    def _start(self, port: int) -> TritonServer:
        server = TritonServer(self.repository, grpc_port=port, options=[COMPLETE])
        self._all.append(server)
        return server.start()

    def end(self) -> None:
        for server in self._all:
            server.kill()
            server.wait()


@pytest.fixture(scope="module")
def fleet(release: Callable[[int], Path]) -> Iterator[Fleet]:
    fleet = Fleet(release(1))
    yield fleet
    fleet.end()


class Load:
    """Callers that share a client and repaint one image after another until the block ends."""

    def __init__(self, art: Client, jpeg: bytes) -> None:
        self._art, self._jpeg = art, jpeg
        self._ended = threading.Event()
        self._threads = ThreadPoolExecutor(CALLERS)
        self.longest = 0.0
        self.answers = [0] * CALLERS
        self.versions: Counter[bytes] = Counter()

    def __enter__(self) -> "Load":
        self._calls = [self._threads.submit(self._call, number) for number in range(CALLERS)]
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._threads.shutdown()

    def _call(self, number: int) -> None:
        while not self._ended.is_set():
            start = time.monotonic()
            answer = self._art.stylize_encoded(self._jpeg, "udnie")
            assert answer.startswith(self._jpeg)
            self.versions[answer[len(self._jpeg) :]] += 1
            self.longest = max(self.longest, time.monotonic() - start)
            self.answers[number] += 1
            self._ended.wait(PAUSE)

    def goes_on(self) -> None:
        """Waits until each caller has two more answers, of which the second began after now."""
        before = list(self.answers)
        until(
            lambda: (
                self._failed()
                or all(now >= then + 2 for now, then in zip(self.answers, before, strict=True))
            )
        )
        self.check()

    def check(self) -> None:
        for call in self._failed():
            call.result()

    def _failed(self):
        return [call for call in self._calls if call.done()]


def comes_back(load: Load, server: TritonServer) -> None:
    """Waits until a server gets requests again."""
    with Client(server.grpc_url) as art:

        def answered() -> int:
            return art.statistics()["stylize"].requests

        before = answered()
        until(lambda: load._failed() or answered() > before)
    load.check()


def test_no_caller_notices_a_server_that_drains_dies_or_hangs(fleet, picture):
    drains, dies, hangs = fleet.servers
    with Client(fleet.urls, timeout=TIMEOUT) as art, Load(art, picture("jpeg")) as load:
        for server in (drains, dies, hangs):
            comes_back(load, server)

        # SIGTERM, a drain, and its successor at the same address.
        drains.stop()
        load.goes_on()
        comes_back(load, fleet.replace(drains))

        # SIGKILL
        dies.kill()
        dies.wait()
        load.goes_on()
        comes_back(load, fleet.replace(dies))

        # SIGSTOP, and SIGCONT
        os.kill(hangs.pid, signal.SIGSTOP)
        try:
            load.goes_on()
        finally:
            os.kill(hangs.pid, signal.SIGCONT)
        comes_back(load, hangs)
    load.check()
    assert load.longest < TIMEOUT


def test_a_new_release_takes_the_place_of_all_without_an_error(fleet, release, picture):
    fleet.repository = release(2)
    with Client(fleet.urls, timeout=TIMEOUT) as art, Load(art, picture("jpeg")) as load:
        load.goes_on()
        for server in list(fleet.servers):
            server.stop()
            load.goes_on()
            comes_back(load, fleet.replace(server))
        assert load.versions[b"1"]
        assert load.versions[b"2"]
        load.versions.clear()
        load.goes_on()
    load.check()
    assert set(load.versions) == {b"2"}
