"""The queue of `stylize` in a real server: who waits, who is refused, and who comes first."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format
from PIL import Image
from tritonclient import grpc
from tritonclient.grpc.model_config_pb2 import ModelConfig

from atelier_serving import TritonServer
from fakes.style_network import IN_TWO_STYLES, write_style, write_stylize
from fakes.triton import serving
from fakes.waiting import HANG_SECONDS, until

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "model_repository"
WAITING = 9
"""How many requests of each kind may wait."""
GATED = """
import time
from pathlib import Path

import triton_python_backend_utils as pb_utils

FOLDER = Path(__file__).parent


class TritonPythonModel:
    def execute(self, requests):
        (request,) = requests
        (FOLDER / "begun").touch()
        while not (FOLDER / "open").exists():
            time.sleep(0.005)
        with (FOLDER / "order").open("a") as order:
            order.write(request.request_id() + "\\n")
        image = pb_utils.get_input_tensor_by_name(request, "image")
        return [pb_utils.InferenceResponse([pb_utils.Tensor("stylized", image.as_numpy())])]
"""
"""Writes down whom it paints, once the file `open` lies beside its code; takes one at a time."""


class Gated:
    """The image path around a network that is held."""

    def __init__(self, server: TritonServer, folder: Path) -> None:
        self.server = server
        self.folder = folder

    def has_begun(self) -> bool:
        """Whether the network has been called."""
        return (self.folder / "begun").exists()

    def open(self) -> None:
        """Lets the network paint."""
        (self.folder / "open").touch()

    def order(self) -> list[str]:
        """Whom the network painted."""
        return (self.folder / "order").read_text().split()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gated]:
    path = tmp_path_factory.mktemp("gated")
    write_style(path, IN_TWO_STYLES)
    # Several would call the network in any order.
    write_stylize(path, IN_TWO_STYLES, workers=1)
    stylize = path / "stylize" / "config.pbtxt"
    text = stylize.read_text()
    assert text.count('"128"') == 1
    stylize.write_text(text.replace('"128"', f'"{WAITING}"'))
    config = text_format.Parse((MODELS / "style" / "config.pbtxt").read_text(), ModelConfig())
    for field in ("platform", "default_model_filename", "cc_model_filenames", "model_warmup"):
        config.ClearField(field)
    config.backend = "python"
    del config.instance_group[:]
    config.instance_group.add(count=1, kind="KIND_CPU")
    (path / "style" / "config.pbtxt").write_text(text_format.MessageToString(config))
    (path / "style" / "1" / "model.py").write_text(GATED)
    with serving(path) as server:
        yield Gated(server, path / "style" / "1")


@pytest.fixture
def gated(served: Gated) -> Iterator[Gated]:
    """The server with an empty queue, and a network that is held until the test opens it."""
    for name in ("begun", "open", "order"):
        (served.folder / name).unlink(missing_ok=True)
    yield served
    served.open()


@pytest.fixture
def send(gated, encoded):
    """Sends an image."""
    image = encoded(Image.new("RGB", (16, 16)), "PNG")
    inputs = []
    for name, content in [("image", image), ("style", b"negative")]:
        inputs.append(grpc.InferInput(name, [1, 1], "BYTES"))
        inputs[-1].set_data_from_numpy(np.array([[content]], np.object_))
    with (
        grpc.InferenceServerClient(gated.server.grpc_url) as client,
        ThreadPoolExecutor(16) as senders,
    ):

        def send(
            name: str, *, queue_microseconds: int | None = None, **parameters: object
        ) -> Future[object]:
            return senders.submit(
                client.infer, "stylize", inputs, request_id=name, parameters=parameters,
                timeout=queue_microseconds, client_timeout=HANG_SECONDS,
            )  # fmt: skip

        yield send
        gated.open()


def test_work_that_may_wait_comes_last_and_has_room_of_its_own(gated, waiting, send):
    bulk = [send("bulk-0", bulk=True)]
    until(gated.has_begun)
    bulk += [send(f"bulk-{i}", bulk=True) for i in range(1, 1 + WAITING)]
    until(lambda: waiting(gated.server) >= WAITING)
    refused = send("one-too-many", bulk=True).exception(HANG_SECONDS)
    assert refused.status() == "StatusCode.UNAVAILABLE"
    assert refused.message() == "Exceeds maximum queue size: 9 requests of 684 bytes wait"
    people = [send(f"person-{i}") for i in range(3)]
    until(lambda: waiting(gated.server) >= WAITING + 3)
    gated.open()
    for answer in bulk + people:
        answer.result()
    kinds = [name.partition("-")[0] for name in gated.order()]
    assert kinds == ["bulk"] + 3 * ["person"] + WAITING * ["bulk"]


def test_what_has_waited_for_too_long_is_not_painted(gated, waiting, send):
    held = send("held")
    until(gated.has_begun)
    late = send("late", queue_microseconds=1)
    # Refused at once where the time that a request takes is known, by a worker where it is not.
    until(lambda: late.done() or waiting(gated.server))
    gated.open()
    held.result()
    assert late.exception().status() == "StatusCode.UNAVAILABLE"
    assert late.exception().message().startswith("Request timeout expired: it ")
    assert "late" not in gated.order()
