"""The code of the models as Triton imports it, and one real server with a style that is exact."""

import importlib
import io
import struct
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image
from skimage import data
from tritonclient import grpc

from atelier_serving import TritonServer

MODELS = Path(__file__).parents[2] / "model_repository"
OURS = ("decode", "style_weights", "encode", "stylize")


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

HANG_SECONDS = 60
"""What has not happened by then never will. Nothing else follows from it."""

Until = Callable[[Callable[[], Any]], None]
Stylize = Callable[..., bytes]
Connect = Callable[[str], AbstractContextManager[Stylize]]

STYLE_CONFIG = """
name: "style"
platform: "onnxruntime_onnx"
max_batch_size: 8
input [
  { name: "image" data_type: TYPE_UINT8 dims: [ -1, -1, 3 ] },
  { name: "style" data_type: TYPE_FP32 dims: [ 4 ] }
]
output [ { name: "stylized" data_type: TYPE_UINT8 dims: [ -1, -1, 3 ] } ]
dynamic_batching { }
instance_group [ { kind: KIND_CPU count: 1 } ]
parameters {
  key: "styles"
  value { string_value: "great_wave,starry_night,the_scream,udnie" }
}
"""


BATCH = 6
WHOLE_BATCHES = (
    f"dynamic_batching {{ preferred_batch_size: [ {BATCH} ]"
    f" max_queue_delay_microseconds: {HANG_SECONDS}000000 }}"
)


def write_style(model: Path, config: str = STYLE_CONFIG) -> None:
    """Writes a model whose result is easily foretold.

    stylized = round(image · (w₀ + w₁/2) + (255 − image) · w₂): great_wave keeps a picture,
    starry_night halves it, the_scream inverts it, udnie blackens it.
    """
    matrix = np.array([[1, 0], [0.5, 0], [0, 1], [0, 0]], np.float32)  # (S, kept and inverted)
    nodes = [
        helper.make_node("Cast", ["image"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["white", "x"], ["inverse"]),
        helper.make_node("MatMul", ["style", "matrix"], ["factors"]),
        helper.make_node("Unsqueeze", ["factors", "axes"], ["broad"]),
        helper.make_node("Split", ["broad"], ["kept", "inverted"], axis=1, num_outputs=2),
        helper.make_node("Mul", ["x", "kept"], ["kept_part"]),
        helper.make_node("Mul", ["inverse", "inverted"], ["inverted_part"]),
        helper.make_node("Add", ["kept_part", "inverted_part"], ["sum"]),
        helper.make_node("Round", ["sum"], ["rounded"]),
        helper.make_node("Cast", ["rounded"], ["stylized"], to=TensorProto.UINT8),
    ]
    shape = ["batch", "height", "width", 3]
    graph = helper.make_graph(
        nodes,
        "style",
        [
            helper.make_tensor_value_info("image", TensorProto.UINT8, shape),
            helper.make_tensor_value_info("style", TensorProto.FLOAT, ["batch", 4]),
        ],
        [helper.make_tensor_value_info("stylized", TensorProto.UINT8, shape)],
        [
            onnx.numpy_helper.from_array(np.float32(255), "white"),
            onnx.numpy_helper.from_array(matrix, "matrix"),
            onnx.numpy_helper.from_array(np.array([2, 3], np.int64), "axes"),
        ],
    )
    (model / "1").mkdir(parents=True)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10),
        model / "1" / "model.onnx",
    )
    (model / "config.pbtxt").write_text(config)


def write_batched(path: Path) -> None:
    """Writes `stylize_batched`, whose network paints six pictures at once and never fewer.

    Requests of any speed share a batch there, provided that nothing else keeps them apart.
    """
    assert "dynamic_batching { }" in STYLE_CONFIG
    config = STYLE_CONFIG.replace("dynamic_batching { }", WHOLE_BATCHES)
    write_style(
        path / "style_batched", config.replace('name: "style"\n', 'name: "style_batched"\n')
    )
    config = (MODELS / "stylize" / "config.pbtxt").read_text()
    assert 'name: "stylize"\n' in config
    assert 'model_name: "style"\n' in config
    config = config.replace('name: "stylize"\n', 'name: "stylize_batched"\n')
    config = config.replace('model_name: "style"\n', 'model_name: "style_batched"\n')
    (path / "stylize_batched" / "1").mkdir(parents=True)
    (path / "stylize_batched" / "config.pbtxt").write_text(config)


@pytest.fixture(scope="session")
def until() -> Until:
    """Waits until something has happened, however long that takes on this machine."""

    def wait(happened: Callable[[], Any]) -> None:
        end = time.monotonic() + HANG_SECONDS
        while not happened():
            assert time.monotonic() < end, "it never happened"
            time.sleep(0.01)

    return wait


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image path as it stands in the repository, around the model of `write_style`."""
    path = tmp_path_factory.mktemp("repository")
    for name in OURS:
        (path / name).symlink_to(MODELS / name)
    write_style(path / "style")
    write_batched(path)
    return path


@pytest.fixture(scope="session")
def server(repository: Path) -> Iterator[TritonServer]:
    """Serves `repository`."""
    with TritonServer(repository) as running:
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
            return result.as_numpy("stylized").item()

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
