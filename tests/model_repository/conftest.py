"""The code of the models as Triton imports it, and one real server with a style that is exact."""

import importlib
import io
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

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


def write_style(model: Path) -> None:
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
    (model / "config.pbtxt").write_text(STYLE_CONFIG)


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image path as it stands in the repository, around the model of `write_style`."""
    path = tmp_path_factory.mktemp("repository")
    for name in OURS:
        (path / name).symlink_to(MODELS / name)
    write_style(path / "style")
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
            image: bytes, style: str | bytes = "great_wave", *, batch: int = 1, **parameters: object
        ) -> bytes:
            style = style.encode() if isinstance(style, str) else style
            inputs = [text_tensor("image", image, batch), text_tensor("style", style, batch)]
            result = client.infer(
                "stylize", inputs, client_timeout=60, parameters=parameters or None
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
        image.save(buffer, format_name, **options)
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
