"""From the committed checkpoint to an image over gRPC, as the README promises it."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import grpc
import numpy as np
import pytest
import torch
from google.protobuf import json_format
from onnxruntime import InferenceSession
from PIL import Image
from skimage import data
from tritonclient.grpc import InferenceServerClient, InferInput, service_pb2, service_pb2_grpc

from atelier import Client
from atelier_export.onnx_graph.export import export_graph
from atelier_export.publishing.calibration import calibration_of
from atelier_export.publishing.publish import INT8_MODEL, MODEL
from atelier_export.style.checkpoint import StyleCheckpoint, load_style_checkpoint
from atelier_export.style.int8 import LARGEST_MEAN_DIFFERENCE, StyleQuality
from atelier_export.style.serving import ServedStyle, style_graph
from atelier_export.vae.checkpoint import load_vae_checkpoint
from atelier_export.vae.published import PublishedVAE
from atelier_export.vae.serving import ServedDecoder, ServedEncoder
from atelier_serving import TritonServer

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
CHECKPOINT = ROOT / "export" / "checkpoints" / "style" / "style.safetensors"
VAE_CHECKPOINT = ROOT / "export" / "checkpoints" / "vae" / "vae.safetensors"
STYLE = ROOT / "model_repository" / "style"
SIZE = (131, 87)


@pytest.fixture(scope="module")
def server() -> Iterator[TritonServer]:
    with TritonServer(ROOT / "model_repository") as server:
        yield server


@pytest.fixture(scope="module")
def checkpoint() -> StyleCheckpoint:
    return load_style_checkpoint(CHECKPOINT)


@pytest.fixture
def photo(tmp_path, monkeypatch) -> Path:
    """A real photograph of an odd size, `photo.jpg` in the working directory."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(data.chelsea()).resize(SIZE).save("photo.jpg")
    return Path("photo.jpg")


def newest_version() -> Path:
    return max((path for path in STYLE.iterdir() if path.name.isdigit()), key=lambda p: int(p.name))


def run(model: Path | bytes, feed: dict[str, np.ndarray]) -> np.ndarray:
    return InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, feed)[0]


def test_the_client_of_the_readme(server, photo):
    (example,) = re.findall(r"```python\n(from atelier import Client.*?)```", README, re.DOTALL)
    exec(example.replace("localhost:8001", server.grpc_url), {})
    with Image.open("wave.jpg") as wave, Image.open("mix.jpg") as mix:
        assert wave.size == mix.size == SIZE
        assert wave.tobytes() != mix.tobytes()


def test_the_plain_protocol_of_the_readme(server, photo):
    """What grpcurl sends: the same JSON, made a message by the same rules."""
    (request,) = re.findall(r"<<END[^\n]*\n(\{.*?)\nEND", README, re.DOTALL)
    request = request.replace(
        "$(base64 -w0 photo.jpg)", base64.b64encode(photo.read_bytes()).decode()
    )
    request = request.replace(
        "$(printf great_wave | base64)", base64.b64encode(b"great_wave").decode()
    )
    (options,) = re.findall(r'`"parameters": (\{.*\})`', README)
    asked = [json.loads(request), {**json.loads(request), "parameters": json.loads(options)}]
    messages = [json_format.ParseDict(each, service_pb2.ModelInferRequest()) for each in asked]
    with grpc.insecure_channel(server.grpc_url) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        plain, png = (stub.ModelInfer(each).raw_output_contents[0] for each in messages)
    with Client(server.grpc_url) as art:
        assert plain == art.stylize_encoded(photo, "great_wave")
        assert png == art.stylize_encoded(photo, "great_wave", format="png")


@pytest.mark.parametrize(("height", "width"), [(16, 16), (87, 131), (256, 256), (300, 451)])
def test_served_pixels_are_those_of_the_8_bit_file_and_near_pytorch(
    server, checkpoint, height, width
):
    image = np.asarray(Image.fromarray(data.chelsea()).resize((width, height)))[None]
    weights = np.linspace(1, 2, len(checkpoint.styles), dtype=np.float32)[None]
    weights /= weights.sum()
    with torch.inference_mode():
        expected = ServedStyle(checkpoint.network)(torch.tensor(image), torch.tensor(weights))
    inputs = [InferInput("image", image.shape, "UINT8"), InferInput("style", weights.shape, "FP32")]
    inputs[0].set_data_from_numpy(image)
    inputs[1].set_data_from_numpy(weights)
    with InferenceServerClient(server.grpc_url) as client:
        served = client.infer("style", inputs).as_numpy("stylized")
    feed = {"image": image, "style": weights}
    float32, int8 = (run(newest_version() / name, feed) for name in (MODEL, INT8_MODEL))
    assert served.tobytes() == int8.tobytes()
    difference = {
        name: np.abs(pixels.astype(int) - expected.numpy().astype(int))
        for name, pixels in (("float32", float32), ("int8", int8))
    }
    assert difference["float32"].max() <= 1
    assert 0 < difference["int8"].mean() < LARGEST_MEAN_DIFFERENCE


def test_the_styles_are_those_of_the_checkpoint(server, checkpoint):
    with Client(server.grpc_url) as art:
        assert tuple(art.styles()) == checkpoint.styles


def test_every_style_paints_otherwise_and_unlike_the_photograph(server, photo):
    with Client(server.grpc_url) as art:
        images = [art.stylize(photo, style) for style in art.styles()]
    with Image.open(photo) as original:
        pixels = [np.asarray(image).astype(int) for image in [*images, original]]
    for number, one in enumerate(pixels):
        for other in pixels[:number]:
            assert np.abs(one - other).mean() > 10


def test_strength_leads_from_the_photograph_to_the_style_and_beyond(server, photo):
    with Image.open(photo) as opened:
        original = np.asarray(opened.convert("RGB")).astype(int)
    with Client(server.grpc_url) as art:
        painted = [
            np.asarray(art.stylize(photo, "great_wave", strength=strength, format="png")).astype(
                int
            )
            for strength in (0, 0.3, 0.6, 1, 1.4)
        ]
    away = [np.abs(each - original).mean() for each in painted]
    assert away[0] == 0
    assert away[:4] == sorted(away[:4])
    assert np.abs(painted[4] - painted[3]).mean() > 1


def test_kept_colours_are_the_photograph_s(server, photo):
    with Client(server.grpc_url) as art:
        painted = art.stylize(photo, "the_scream", keep_colors=True, format="png")
        otherwise = art.stylize(photo, "the_scream", format="png")
    with Image.open(photo) as opened:
        original = opened.convert("RGB")

    def chroma(image: Image.Image) -> np.ndarray:
        return np.asarray(image.convert("YCbCr"))[..., 1:].astype(int)

    def light(image: Image.Image) -> np.ndarray:
        return np.asarray(image.convert("L")).astype(int)

    # Apart from where a lighter or darker colour does not exist.
    assert np.median(np.abs(chroma(painted) - chroma(original))) <= 1
    assert np.median(np.abs(chroma(otherwise) - chroma(original))) > 5
    assert np.abs(light(painted) - light(original)).mean() > 5


def test_the_published_graph_is_what_the_checkpoint_gives(checkpoint):
    """To the byte with the exporter that published it, to the pixel with any other."""
    graph = export_graph(style_graph(checkpoint.network))
    published = (newest_version() / MODEL).read_bytes()
    manifest = json.loads((newest_version() / "manifest.json").read_text())
    exporters = {
        name: manifest["measured"]["tools"][name] for name in ("torch", "onnx", "onnxscript")
    }
    if exporters == {name: version(name) for name in exporters}:
        assert graph == published
    image = np.asarray(Image.fromarray(data.chelsea()).resize(SIZE))[None]
    feed = {"image": image, "style": np.eye(len(checkpoint.styles), dtype=np.float32)[:1]}
    one, other = (run(model, feed).astype(int) for model in (graph, published))
    assert np.abs(one - other).max() <= 1


@pytest.mark.parametrize("model", ["vae_encoder", "vae_decoder"])
def test_the_autoencoder_was_made_from_its_checkpoint(model):
    published = PublishedVAE(ROOT / "model_repository")
    folder = ROOT / "model_repository" / model / str(published.version)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (
        manifest["checkpoint"]["sha256"] == hashlib.sha256(VAE_CHECKPOINT.read_bytes()).hexdigest()
    )


def test_the_published_autoencoder_computes_what_pytorch_does():
    published = PublishedVAE(ROOT / "model_repository")
    network = load_vae_checkpoint(VAE_CHECKPOINT).network
    image = np.asarray(Image.fromarray(data.chelsea()).resize((network.config.side,) * 2))[None]
    mean, _ = published.encode(image)
    with torch.no_grad():
        expected_mean, _ = ServedEncoder(network.encoder)(torch.tensor(image))
        expected = ServedDecoder(network)(torch.tensor(mean)).numpy()
    np.testing.assert_allclose(mean, expected_mean, atol=1e-3)
    assert np.abs(published.decode(mean).astype(int) - expected.astype(int)).max() <= 1


def test_the_manifest_tells_the_files_and_where_they_come_from():
    manifest = json.loads((newest_version() / "manifest.json").read_text())
    for path, entry in manifest["files"].items():
        content = (newest_version() / path).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (
            entry["bytes"],
            entry["sha256"],
        )
    assert manifest["checkpoint"]["sha256"] == hashlib.sha256(CHECKPOINT.read_bytes()).hexdigest()
    assert manifest["measured"]["parity_with_pytorch"]["largest_difference"]["stylized"] <= 1
    assert manifest["int8"] == asdict(calibration_of(CHECKPOINT, StyleQuality).quality)
