"""The code of the models as Triton imports it, and one real server with a style that is exact."""

import importlib
import io
import re
import struct
import sys
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data
from tritonclient import grpc

from atelier_serving import TritonServer
from fakes.style_network import write_style, write_stylize
from fakes.triton import COMPLETE
from fakes.waiting import HANG_SECONDS

MODELS = Path(__file__).parents[2] / "model_repository"
OURS = ("classify", "generate", "latents", "stylize")


def import_modules(version: Path) -> None:
    """Imports what a model's `model.py` imports, by the same names.

    The directory does not stay on the path: each model has a `model.py` of its own.
    """
    sys.path.insert(0, str(version))
    for file in sorted(version.glob("*.py")):
        if file.stem != "model":
            importlib.import_module(file.stem)
    sys.path.remove(str(version))


for name in OURS:
    import_modules(MODELS / name / "1")

Stylize = Callable[..., bytes]
Connect = Callable[[str], AbstractContextManager[Stylize]]

STYLES = {
    "great_wave": (1, 0),
    "starry_night": (0.5, 0),
    "the_scream": (0, 1),
    "udnie": (0, 0),
}
"""How much each style keeps of an image, and of its inverse."""

BATCH = 6
WHOLE_BATCHES = (
    f"dynamic_batching {{ preferred_batch_size: [ {BATCH} ]"
    f" max_queue_delay_microseconds: {HANG_SECONDS}000000 }}"
)


def write_batched(path: Path) -> None:
    """Writes `stylize_batched`, whose network paints six pictures at once and never fewer.

    Requests of any speed share a batch there, provided that nothing else keeps them apart.
    """
    # No batch may be larger: the rest of one that took more would wait for others that never come.
    write_style(path, STYLES, name="style_batched", batching=WHOLE_BATCHES, max_batch=BATCH)
    write_stylize(path, STYLES, name="stylize_batched", network="style_batched", workers=BATCH)


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image path as it stands in the repository, around the model of `write_style`."""
    path = tmp_path_factory.mktemp("repository")
    write_style(path, STYLES)
    write_stylize(path, STYLES)
    write_batched(path)
    return path


@pytest.fixture(scope="session")
def server(repository: Path) -> Iterator[TritonServer]:
    """Serves `repository`, and ends in order, whatever it was asked before."""
    with TritonServer(repository, options=[COMPLETE]) as running:
        yield running


def text_tensor(name: str, value: bytes, batch: int = 1) -> grpc.InferInput:
    """A BYTES tensor of shape (batch, 1)."""
    tensor = grpc.InferInput(name, [batch, 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[value]] * batch, dtype=np.object_))
    return tensor


@contextmanager
def connected(grpc_url: str) -> Iterator[Stylize]:
    """Sends one picture; safe to call from several threads."""
    with grpc.InferenceServerClient(grpc_url) as client:

        def call(
            image: bytes,
            style: str | bytes = "great_wave",
            *,
            model: str = "stylize",
            batch: int = 1,
            **parameters: object,
        ) -> bytes:
            style = style.encode() if isinstance(style, str) else style
            inputs = [text_tensor("image", image, batch), text_tensor("style", style, batch)]
            result = client.infer(
                model, inputs, client_timeout=HANG_SECONDS, parameters=parameters or None
            )
            return result.as_numpy("stylized")[0].tobytes()

        yield call


@pytest.fixture(scope="session")
def connect() -> Connect:
    """Opens a connection, to servers other than `server`."""
    return connected


@pytest.fixture(scope="session")
def stylize(server: TritonServer) -> Iterator[Stylize]:
    """Sends one picture; safe to call from several threads."""
    with connected(server.grpc_url) as call:
        yield call


@pytest.fixture(scope="session")
def photo() -> Image.Image:
    """A photograph of odd size, 181 x 127 pixels, RGB."""
    return Image.fromarray(data.astronaut()).resize((181, 127), Image.Resampling.LANCZOS)


@pytest.fixture(scope="session")
def encoded() -> Callable[..., bytes]:
    """Encodes an image with Pillow."""

    def encode(image: Image.Image, format_name: str, **options: object) -> bytes:
        buffer = io.BytesIO()
        # What takes the time of these tests otherwise is to compress a little more.
        image.save(buffer, format_name, **{"compress_level": 1, **options})
        return buffer.getvalue()

    return encode


@pytest.fixture(scope="session")
def png_with() -> Callable[..., bytes]:
    """Builds a PNG from chunks, each a kind and its content, with correct lengths and checksums."""

    def build(*chunks: tuple[bytes, bytes]) -> bytes:
        parts = [
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
            for kind, content in chunks
        ]
        return b"\x89PNG\r\n\x1a\n" + b"".join(parts)

    return build


GATED_NEGATIVE = """
import time
from pathlib import Path

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            while not Path(__file__).with_name("open").exists():
                time.sleep(0.005)
            image = pb_utils.get_input_tensor_by_name(request, "image").as_numpy()
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("stylized", 255 - image)]))
        return responses
"""


@pytest.fixture
def gated(tmp_path: Path) -> Path:
    """`stylize` around a network that paints once the file `open` lies beside its code."""
    write_style(tmp_path, STYLES)
    write_stylize(tmp_path, STYLES)
    config = tmp_path / "style" / "config.pbtxt"
    text = config.read_text()
    assert 'platform: "onnxruntime_onnx"' in text
    config.write_text(text.replace('platform: "onnxruntime_onnx"', 'backend: "python"'))
    (tmp_path / "style" / "1" / "model.py").write_text(GATED_NEGATIVE)
    return tmp_path


@pytest.fixture(scope="session")
def waiting() -> Callable[[TritonServer], int]:
    """Counts the requests in the queues of `stylize` and `style`."""

    def count(server: TritonServer) -> int:
        with urllib.request.urlopen(f"http://{server.metrics_url}/metrics") as answer:
            text = answer.read().decode()
        counts = re.findall(r'^atelier_queue_requests{model="stylize"} (\d+)', text, re.MULTILINE)
        counts += re.findall(r'pending_request_count{model="style".*} (\d+)', text)
        assert len(counts) == 2
        return sum(map(int, counts))

    return count
