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
import pytest
from PIL import Image
from skimage import data
from tritonclient import grpc

from atelier_serving import TritonServer
from fakes.style_network import write_style, write_style_weights
from fakes.waiting import HANG_SECONDS

MODELS = Path(__file__).parents[2] / "model_repository"
LATENTS = Path(__file__).parents[2] / "export" / "atelier_export" / "generator" / "latents"
"""The version's folder of the model `latents`, as the export publishes it."""
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
import_modules(LATENTS)

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
    config = (MODELS / "stylize" / "config.pbtxt").read_text()
    assert 'name: "stylize"\n' in config
    assert 'model_name: "style"\n' in config
    config = config.replace('name: "stylize"\n', 'name: "stylize_batched"\n')
    config = config.replace('model_name: "style"\n', 'model_name: "style_batched"\n')
    (path / "stylize_batched" / "1").mkdir(parents=True)
    (path / "stylize_batched" / "config.pbtxt").write_text(config)


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image path as it stands in the repository, around the model of `write_style`."""
    path = tmp_path_factory.mktemp("repository")
    for name in OURS:
        if name != "style_weights":
            (path / name).symlink_to(MODELS / name)
    write_style(path, STYLES)
    write_style_weights(path, STYLES)
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
