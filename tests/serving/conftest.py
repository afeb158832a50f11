"""Small Python models and real servers for the tests of the launcher."""

import contextlib
import itertools
import re
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tritonclient import grpc

from atelier_serving import TritonServer
from fakes.triton import COMPLETE, serving
from fakes.waiting import HANG_SECONDS, until

CONFIG = """
name: "{name}"
backend: "python"
input {{ name: "gate" data_type: TYPE_INT32 dims: [ 1 ] }}
output {{ name: "gate" data_type: TYPE_INT32 dims: [ 1 ] }}
instance_group {{ kind: KIND_CPU count: {instances} }}
"""

WAITER = """
import time
import uuid
from pathlib import Path

import triton_python_backend_utils as pb_utils

STARTED = Path(__file__).with_name("started")
STARTED.mkdir(exist_ok=True)


class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            (STARTED / uuid.uuid4().hex).touch()
            tensor = pb_utils.get_input_tensor_by_name(request, "gate")
            gate = int(tensor.as_numpy()[0])
            while gate and not Path(__file__).with_name(f"open_{gate}").exists():
                time.sleep(0.005)
            responses.append(pb_utils.InferenceResponse([tensor]))
        return responses
"""
"""Answers with its input, once the test has opened the gate of that number; 0 is always open.

Leaves a file in `started` beside itself for each request that it starts to work on.
"""

INSTANCES = 2
GATES = itertools.count(1)

WriteModel = Callable[..., Path]


@pytest.fixture(scope="session")
def write_model() -> WriteModel:
    """Writes a model of the Python backend into a repository and returns the repository."""

    def write(repository: Path, name: str, code: str = WAITER, instances: int = 1) -> Path:
        version = repository / name / "1"
        version.mkdir(parents=True)
        (version / "model.py").write_text(code)
        (repository / name / "config.pbtxt").write_text(
            CONFIG.format(name=name, instances=instances)
        )
        return repository

    return write


@pytest.fixture(scope="session")
def waiters(tmp_path_factory: pytest.TempPathFactory, write_model: WriteModel) -> Path:
    """A repository with the model `waiter`."""
    return write_model(tmp_path_factory.mktemp("waiters"), "waiter", instances=INSTANCES)


@pytest.fixture(scope="session")
def server(waiters: Path) -> Iterator[TritonServer]:
    """A server of `waiter` that no test may stop."""
    with serving(waiters, http_port=0) as running:
        yield running


@pytest.fixture
def start(waiters: Path) -> Iterator[Callable[..., TritonServer]]:
    """Starts a server of `waiter`, or of other repositories, that ends at once with the test."""
    servers: list[TritonServer] = []

    def run(
        repository: Any = waiters, *, options: Sequence[str] = (COMPLETE,), **settings: Any
    ) -> TritonServer:
        servers.append(TritonServer(repository, options=options, **settings))
        return servers[-1].start()

    yield run
    for each in servers:
        each.kill()
        each.wait()


@pytest.fixture(scope="session")
def infer() -> Callable[..., int]:
    """Calls `waiter` at an address and returns its answer, the number of the gate."""

    def call(url: str, gate: int = 0) -> int:
        tensor = grpc.InferInput("gate", [1], "INT32")
        tensor.set_data_from_numpy(np.array([gate], np.int32))
        with grpc.InferenceServerClient(url) as client:
            return int(client.infer("waiter", [tensor]).as_numpy("gate")[0])

    return call


class Held:
    """Requests that a server has accepted and works on until their gate is opened.

    Attributes:
        answers: What they will be answered.
        expected: What they have to be answered.
    """

    def __init__(self, answers: list[Future[int]], gate: int, model: Path) -> None:
        self.answers = answers
        self.expected = [gate] * len(answers)
        self._key = model / f"open_{gate}"

    def open(self) -> None:
        """Has them answered."""
        self._key.touch()


Send = Callable[..., Held]


@pytest.fixture
def send(infer: Callable[..., int], waiters: Path, pending: Callable[..., int]) -> Iterator[Send]:
    """Sends requests at once, and returns when the server has accepted all of them.

    By then every instance works, and each request was started or waits in the queue.
    """
    model = waiters / "waiter" / "1"
    held: list[Held] = []
    before = _started(model)
    sent = 0
    with ThreadPoolExecutor(16) as pool:

        def start(grpc_url: str, metrics_url: str, count: int) -> Held:
            nonlocal sent
            gate = next(GATES)
            answers = [pool.submit(infer, grpc_url, gate) for _ in range(count)]
            held.append(Held(answers, gate, model))
            sent += count

            def accepted() -> bool:
                # In this order no request is counted twice.
                started = _started(model) - before
                return started >= min(sent, INSTANCES) and started + pending(metrics_url) == sent

            until(accepted)
            return held[-1]

        yield start
        for each in held:
            each.open()


def _started(model: Path) -> int:
    return len(list(model.glob("started/*")))


@pytest.fixture(scope="session")
def pending() -> Callable[..., int]:
    """Tells how many requests wait in the queue of a model."""

    def count(metrics_url: str, model: str = "waiter") -> int:
        with urllib.request.urlopen(f"http://{metrics_url}/metrics") as answer:
            metrics = answer.read().decode()
        pattern = rf'nv_inference_pending_request_count\{{model="{model}",.*\}} (\d+)'
        return int(re.search(pattern, metrics)[1])

    return count


@pytest.fixture(scope="session")
def drains() -> Callable[[str], bool]:
    """Tells whether a server that was told to end has begun to: it takes no more connections."""

    def told(http_url: str) -> bool:
        host, port = http_url.split(":")
        try:
            socket.create_connection((host, int(port)), HANG_SECONDS).close()
        except ConnectionRefusedError:
            return True
        return False

    return told


class ServeCommand:
    """`atelier serve` in a process of its own, with its output."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                # Tests that run in the background of a script have Ctrl-C ignored.
                "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
                "from atelier_serving.commands import serve; serve(prog_name='atelier serve')",
                *arguments,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.log = ""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self.log += line

    def ready(self) -> dict[str, str]:
        """Waits for the line that tells the addresses, and returns them by protocol."""
        assert self.process.stdout
        word, *addresses = self.process.stdout.readline().split()
        assert word == "ready"
        return dict(address.split("=") for address in addresses)

    def end(self) -> int:
        """Waits for the end and returns the exit code."""
        code = self.process.wait(60)
        self._reader.join()
        return code

    def close(self) -> None:
        """Stops what a failing test left running."""
        if self.process.poll() is None:
            self.process.kill()
        self.end()
        assert self.process.stdout
        assert self.process.stderr
        self.process.stdout.close()
        self.process.stderr.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., ServeCommand]]:
    """Starts `atelier serve` with HTTP open, free ports and the arguments given."""
    started: list[ServeCommand] = []

    def start(*arguments: Any, http: bool = True) -> ServeCommand:
        options = ["--grpc-port=0", "--metrics-port=0", *(["--http", "--http-port=0"] * http)]
        passed_on = [] if "--" in arguments else ["--", COMPLETE]
        command = ServeCommand(*options, *map(str, arguments), *passed_on)
        started.append(command)
        return command

    yield start
    for command in started:
        command.close()


@pytest.fixture(scope="session")
def processes() -> Callable[..., dict[int, str]]:
    """The descendants of a process by process id, with the names that the kernel shows."""

    def find(ancestor: int, depth: int = 9) -> dict[int, str]:
        found: dict[int, str] = {}
        generation = {ancestor}
        for _ in range(depth):
            children = {}
            for stat in Path("/proc").glob("[0-9]*/stat"):
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    name, _, rest = stat.read_text().partition(" (")[2].rpartition(") ")
                    if int(rest.split()[1]) in generation:
                        children[int(stat.parent.name)] = name
            found |= children
            generation = set(children)
        return found

    return find
