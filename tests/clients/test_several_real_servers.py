"""Three real servers under steady load, of which one drains, one is killed and one hangs."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
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


class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            time.sleep(0.01)
            image = pb_utils.get_input_tensor_by_name(request, "image").as_numpy()
            output = pb_utils.Tensor("stylized", image)
            responses.append(pb_utils.InferenceResponse([output]))
        return responses
"""
CALLERS = 6
TIMEOUT = HANG_SECONDS


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `stylize` that returns the image as it is."""
    path = tmp_path_factory.mktemp("model_repository")
    (path / "stylize/1").mkdir(parents=True)
    (path / "stylize/config.pbtxt").write_text(CONFIG)
    (path / "stylize/1/model.py").write_text(ECHO)
    return path


class Load:
    """Callers that share a client and repaint one image after another until the block ends."""

    def __init__(self, art: Client, jpeg: bytes) -> None:
        self._art, self._jpeg = art, jpeg
        self._ended = threading.Event()
        self._threads = ThreadPoolExecutor(CALLERS)
        self.longest = 0.0
        self.answers = [0] * CALLERS

    def __enter__(self) -> "Load":
        self._calls = [self._threads.submit(self._call, number) for number in range(CALLERS)]
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._threads.shutdown()

    def _call(self, number: int) -> None:
        while not self._ended.is_set():
            start = time.monotonic()
            assert self._art.stylize_encoded(self._jpeg, "udnie") == self._jpeg
            self.longest = max(self.longest, time.monotonic() - start)
            self.answers[number] += 1

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


def asked(server: TritonServer) -> int:
    """How many requests a server has answered."""
    with Client(server.grpc_url) as art:
        return art.statistics()["stylize"].requests


def comes_back(load: Load, server: TritonServer) -> None:
    """Waits until a server gets requests again."""
    before = asked(server)
    until(lambda: load._failed() or asked(server) > before)
    load.check()


def test_no_caller_notices_a_server_that_drains_dies_or_hangs(repository, picture):
    with ExitStack() as stack:

        def start(port: int = 0) -> TritonServer:
            server = TritonServer(repository, grpc_port=port, options=[COMPLETE])
            stack.callback(server.wait)  # after the next
            stack.callback(server.kill)
            return server.start()

        drains, dies, hangs = start(), start(), start()
        urls = [server.grpc_url for server in (drains, dies, hangs)]
        art = stack.enter_context(Client(urls, timeout=TIMEOUT))
        with Load(art, picture("jpeg")) as load:
            for server in (drains, dies, hangs):
                comes_back(load, server)

            # SIGTERM, a drain, and its successor at the same address.
            drains.stop()
            load.goes_on()
            comes_back(load, start(port_of(drains)))

            # SIGKILL
            dies.kill()
            dies.wait()
            load.goes_on()
            comes_back(load, start(port_of(dies)))

            # SIGSTOP, and SIGCONT
            os.kill(hangs.pid, signal.SIGSTOP)
            try:
                load.goes_on()
            finally:
                os.kill(hangs.pid, signal.SIGCONT)
            comes_back(load, hangs)
        load.check()
        assert load.longest < TIMEOUT


def port_of(server: TritonServer) -> int:
    return int(server.grpc_url.rpartition(":")[2])
