"""Small Python models and real servers for the tests of the launcher."""

import contextlib
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tritonclient import grpc

from atelier_serving import TritonServer

CONFIG = """
name: "{name}"
backend: "python"
input {{ name: "seconds" data_type: TYPE_FP32 dims: [ 1 ] }}
output {{ name: "seconds" data_type: TYPE_FP32 dims: [ 1 ] }}
instance_group {{ kind: KIND_CPU count: {instances} }}
"""

SLEEPER = """
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
            seconds = pb_utils.get_input_tensor_by_name(request, "seconds")
            time.sleep(float(seconds.as_numpy()[0]))
            responses.append(pb_utils.InferenceResponse([seconds]))
        return responses
"""
"""Answers with its input, after as many seconds as the input says.

Leaves a file in `started` beside itself for each request that it starts to work on.
"""

INSTANCES = 2

WriteModel = Callable[..., Path]


@pytest.fixture(scope="session")
def write_model() -> WriteModel:
    """Writes a model of the Python backend into a repository and returns the repository."""

    def write(repository: Path, name: str, code: str = SLEEPER, instances: int = 1) -> Path:
        version = repository / name / "1"
        version.mkdir(parents=True)
        (version / "model.py").write_text(code)
        (repository / name / "config.pbtxt").write_text(
            CONFIG.format(name=name, instances=instances)
        )
        return repository

    return write


@pytest.fixture(scope="session")
def sleepers(tmp_path_factory: pytest.TempPathFactory, write_model: WriteModel) -> Path:
    """A repository with the model `sleeper`."""
    return write_model(tmp_path_factory.mktemp("sleepers"), "sleeper", instances=INSTANCES)


@pytest.fixture(scope="session")
def server(sleepers: Path) -> Iterator[TritonServer]:
    """A server of `sleeper` that no test may stop."""
    with TritonServer(sleepers) as running:
        yield running


@pytest.fixture(scope="session")
def infer() -> Callable[[str, float], float]:
    """Calls `sleeper` at an address and returns its answer."""

    def call(url: str, seconds: float) -> float:
        tensor = grpc.InferInput("seconds", [1], "FP32")
        tensor.set_data_from_numpy(np.array([seconds], np.float32))
        with grpc.InferenceServerClient(url) as client:
            return float(client.infer("sleeper", [tensor]).as_numpy("seconds")[0])

    return call


Send = Callable[..., list[Future[float]]]


@pytest.fixture
def send(infer: Callable[[str, float], float], sleepers: Path) -> Iterator[Send]:
    """Sends requests at once, and returns when the server has accepted all of them.

    By then every instance works, and each request was started or waits in the queue.
    """
    before = _started(sleepers)
    sent = 0
    with ThreadPoolExecutor(16) as pool:

        def start(grpc_url: str, metrics_url: str, seconds: float, count: int) -> list[Future]:
            nonlocal sent
            futures = [pool.submit(infer, grpc_url, seconds) for _ in range(count)]
            sent += count
            end = time.monotonic() + 60
            while True:
                # In this order no request is counted twice.
                started = _started(sleepers) - before
                pending = _pending(metrics_url)
                if started >= min(sent, INSTANCES) and started + pending == sent:
                    return futures
                assert time.monotonic() < end, f"{started} started, {pending} pending of {sent}"
                time.sleep(0.02)

        yield start


def _started(sleepers: Path) -> int:
    return len(list((sleepers / "sleeper" / "1").glob("started/*")))


def _pending(metrics_url: str) -> int:
    with urllib.request.urlopen(f"http://{metrics_url}/metrics") as answer:
        metrics = answer.read().decode()
    return int(re.search(r"nv_inference_pending_request_count\{.*\} (\d+)", metrics)[1])


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
    """Starts `atelier serve` with free ports and the arguments given."""
    started: list[ServeCommand] = []

    def start(*arguments: Any, ports: str = "0") -> ServeCommand:
        options = (f"--{name}-port={ports}" for name in ("grpc", "http", "metrics"))
        command = ServeCommand(*options, *map(str, arguments))
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
