"""A painter of three models that must fit one another, and clients that watch them all the time.

chooser   the name of a colour -> one weight a colour
palette   weights -> the name of the heaviest colour, and the version that answers
painter   the ensemble of the two; gallery: an ensemble of the ensemble
bystander an ensemble of `other`, which has nothing to do with them
"""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tritonclient import grpc
from tritonclient.utils import InferenceServerException

from atelier_serving import TritonServer
from fakes.waiting import until

WAITING = """
import time
from pathlib import Path

GATES = Path({gates!r})


def wait(gate):
    (GATES / f"{{gate}}.reached").touch()
    while not (GATES / f"{{gate}}.open").exists():
        time.sleep(0.005)


def parted(colour):
    gate, _, name = colour.decode().rpartition("/")
    if gate:
        wait(gate)
    return name
"""
"""A colour is a name, or as in "gate/red" the gate at which it waits to be worked on and a name."""

CHOOSER = """
import json

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        parameters = json.loads(args["model_config"])["parameters"]
        self.names = parameters["colours"]["string_value"].split(",")

    def execute(self, requests):
        responses = []
        for request in requests:
            name = parted(pb_utils.get_input_tensor_by_name(request, "colour").as_numpy()[0])
            weights = np.array([each == name for each in self.names], np.float32)
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("weights", weights)]))
        return responses
"""

PALETTE = """
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        self.colours = Path(__file__).with_name("colours").read_text().split(",")
        self.version = args["model_version"]
        gate = Path(__file__).with_name("gate")
        if gate.exists():
            gate = gate.read_text()
            while (GATES / f"{gate}.reached").exists():
                gate += "_again"
            print("palette loads slowly")
            wait(gate)

    def execute(self, requests):
        responses = []
        for request in requests:
            weights = pb_utils.get_input_tensor_by_name(request, "weights").as_numpy()
            painted = f"{self.colours[weights.argmax()]} {self.version}".encode()
            tensor = pb_utils.Tensor("painted", np.array([painted], np.object_))
            responses.append(pb_utils.InferenceResponse([tensor]))
        return responses
"""

ECHO = """
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            name = parted(request.inputs()[0].as_numpy()[0])
            painted = pb_utils.Tensor("painted", np.array([name.encode() + SUFFIX], np.object_))
            responses.append(pb_utils.InferenceResponse([painted]))
        return responses
"""

CPU = "instance_group { kind: KIND_CPU count: 1 }\n"


def tensor(kind: str, name: str, dims: int | str, data: str = "TYPE_STRING") -> str:
    return f'{kind} {{ name: "{name}" data_type: {data} dims: [ {dims} ] }}\n'


def step(model: str, source: tuple[str, str], target: tuple[str, str]) -> str:
    return (
        f'{{ model_name: "{model}" model_version: -1'
        f' input_map {{ key: "{source[0]}" value: "{source[1]}" }}'
        f' output_map {{ key: "{target[0]}" value: "{target[1]}" }} }}'
    )


def ensemble(*steps: str) -> str:
    return (
        'platform: "ensemble"\n'
        + tensor("input", "colour", 1)
        + tensor("output", "painted", 1)
        + f"ensemble_scheduling {{ step [ {', '.join(steps)} ] }}\n"
    )


class Repository:
    """The painter's models, in a folder, and beside it the gates at which they wait."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._gates = path.with_name("gates")
        self._gates.mkdir()
        self._waiting = WAITING.format(gates=str(self._gates))
        self.write("chooser", "", {"model.py": self._waiting + CHOOSER})
        self.publish(1, "red,green")
        chosen = step("chooser", ("colour", "colour"), ("weights", "weights"))
        painted = step("palette", ("weights", "weights"), ("painted", "painted"))
        self.write("painter", ensemble(chosen, painted))
        self.write_ensemble("gallery", "painter")
        self.write_echo("other")
        self.write_ensemble("bystander", "other")

    def is_reached(self, gate: str) -> bool:
        """Whether a model waits or has waited at a gate."""
        return (self._gates / f"{gate}.reached").exists()

    def open(self, gate: str) -> None:
        """Lets everything pass a gate, now and later."""
        (self._gates / f"{gate}.open").touch()

    def write(
        self, model: str, config: str, files: dict[str, str] | None = None, version: int = 1
    ) -> None:
        """Writes a version, complete when it appears, and then the configuration."""
        folder = self.path / model
        folder.mkdir(parents=True, exist_ok=True)
        staged = self.path.with_name("staged")
        staged.mkdir()
        for name, content in (files or {}).items():
            (staged / name).write_text(content)
        if (folder / str(version)).exists():
            shutil.rmtree(folder / str(version))
        staged.rename(folder / str(version))
        self.configure(model, config)

    def configure(self, model: str, config: str) -> None:
        (self.path / model / "config.pbtxt").write_text(f'name: "{model}"\n{config}')

    def publish(self, version: int, colours: str, **files: str) -> None:
        """Publishes a version of `palette`, and its colours' names in `chooser`.

        The file `gate` names the gate at which it waits when it is first loaded; the next time it
        waits at that name with "_again" behind it.
        """
        self.write(
            "palette",
            'backend: "python"\n'
            + tensor("input", "weights", -1, "TYPE_FP32")
            + tensor("output", "painted", 1)
            + CPU,
            {"model.py": self._waiting + PALETTE, "colours": colours, **files},
            version,
        )
        self.configure(
            "chooser",
            'backend: "python"\n'
            + tensor("input", "colour", 1)
            + tensor("output", "weights", -1, "TYPE_FP32")
            + CPU
            + f'parameters {{ key: "colours" value {{ string_value: "{colours}" }} }}\n',
        )

    def write_echo(self, model: str, version: int = 1, suffix: str = "") -> None:
        """Writes a version of a model that answers what it is asked for, and a suffix."""
        config = (
            'backend: "python"\n' + tensor("input", "colour", 1) + tensor("output", "painted", 1)
        )
        code = f"SUFFIX = {suffix.encode()}\n{self._waiting}{ECHO}"
        self.write(model, config + CPU, {"model.py": code}, version)

    def write_ensemble(self, model: str, only_step: str) -> None:
        """Writes an ensemble that hands on what it is asked to one other model."""
        only = step(only_step, ("colour", "colour"), ("painted", "painted"))
        self.write(model, ensemble(only))


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "models")


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads for what waits; the servers end before them, and so does what a failed test left."""
    with ThreadPoolExecutor() as threads:
        yield threads


@pytest.fixture
def start(
    pool: ThreadPoolExecutor, start: Callable[..., TritonServer], repository: Repository
) -> Callable[..., TritonServer]:
    """Starts a server of the painter that ends at once with the test."""
    return partial(start, repository.path)


def paint(client: grpc.InferenceServerClient, model: str, colour: str) -> str:
    """What a model answers for a colour: the colour, and the version that painted it."""
    tensor = grpc.InferInput("colour", [1], "BYTES")
    tensor.set_data_from_numpy(np.array([colour.encode()], np.object_))
    return client.infer(model, [tensor]).as_numpy("painted")[0].decode()


@pytest.fixture
def ask() -> Callable[..., str]:
    """Asks a server once."""

    def call(url: str, colour: str, model: str = "painter") -> str:
        with grpc.InferenceServerClient(url) as client:
            return paint(client, model, colour)

    return call


@dataclass
class Watch:
    """What one client saw.

    Attributes:
        answers: When it asked and was answered, and what it was answered, in order.
        troubles: Every error.
    """

    answers: list[tuple[float, float, str]] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def wait(self, more: int = 5) -> None:
        """Waits until that many more requests have been answered."""
        enough = len(self.answers) + more
        until(lambda: len(self.answers) >= enough)


@pytest.fixture
def watch() -> Iterator[Callable[..., Watch]]:
    """Has a client ask for one colour again and again, until the test ends or `stop` is called."""
    ended = threading.Event()
    threads = []

    def start(url: str, model: str, colour: str) -> Watch:
        seen = Watch()

        def run() -> None:
            with grpc.InferenceServerClient(url) as client:
                while not ended.is_set():
                    asked = time.monotonic()
                    try:
                        answer = paint(client, model, colour)
                        seen.answers.append((asked, time.monotonic(), answer))
                    except InferenceServerException as error:
                        seen.troubles.append(str(error))
                    ended.wait(0.05)

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        return seen

    def stop() -> None:
        ended.set()
        for thread in threads:
            thread.join()

    start.stop = stop
    yield start
    stop()
