"""Both clients and the command line compress images, and Triton decodes them again."""

import doctest
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import grpc
import numpy as np
import onnx
import pytest
from PIL import Image

from atelier import Client, InvalidRequest, ServerFailed, _codec
from atelier._cli.root import run
from atelier._compression import unpack
from fakes.triton import serving

# The mean is the average colour of each of 4×4 tiles, from -1 to 1: channels, rows, columns.
ENCODER = """
<ir_version: 8, opset_import: ["" : 18]>
encoder (uint8[batch, 16, 16, 3] image) => (float[batch, 48] mean, float[batch, 48] log_variance)
<float middle = {127.5}>
{
    pixels = Cast <to = 1> (image)
    planes = Transpose <perm = [0, 3, 1, 2]> (pixels)
    tiles = AveragePool <kernel_shape = [4, 4], strides = [4, 4]> (planes)
    shifted = Sub (tiles, middle)
    scaled = Div (shifted, middle)
    mean = Flatten (scaled)
    log_variance = Sub (mean, mean)
}
"""
DECODER = """
<ir_version: 8, opset_import: ["" : 18]>
decoder (float[batch, 48] latent) => (uint8[batch, 16, 16, 3] image)
<float middle = {127.5}, float black = {0.0}, float white = {255.0},
 int64[4] shape = {-1, 3, 4, 4}, float[4] factors = {1.0, 1.0, 4.0, 4.0}>
{
    tiles = Reshape (latent, shape)
    planes = Resize <mode = "nearest"> (tiles, , factors)
    scaled = Mul (planes, middle)
    shifted = Add (scaled, middle)
    clipped = Clip (shifted, black, white)
    rounded = Round (clipped)
    pixels = Transpose <perm = [0, 2, 3, 1]> (rounded)
    image = Cast <to = 2> (pixels)
}
"""
GRAPHS = {"vae_encoder": ENCODER, "vae_decoder": DECODER}
CONFIGS = {
    "vae_encoder": """
input { name: "image" data_type: TYPE_UINT8 dims: [ 16, 16, 3 ] }
output [
  { name: "mean" data_type: TYPE_FP32 dims: [ 48 ] },
  { name: "log_variance" data_type: TYPE_FP32 dims: [ 48 ] }
]
""",
    "vae_decoder": """
input { name: "latent" data_type: TYPE_FP32 dims: [ 48 ] }
output { name: "image" data_type: TYPE_UINT8 dims: [ 16, 16, 3 ] }
parameters { key: "latent_shape" value { string_value: "3,4,4" } }
""",
}


COMMON = """
platform: "onnxruntime_onnx"
max_batch_size: 4
version_policy { all { } }
instance_group { kind: KIND_CPU count: 1 }
"""


def published(folder: Path, versions: dict[str, list[int]]) -> Path:
    """A repository of the stand-ins above, with these versions of each."""
    for name in versions:
        for version in versions[name]:
            (folder / name / str(version)).mkdir(parents=True)
            graph = onnx.parser.parse_model(GRAPHS[name])
            onnx.save(graph, folder / name / str(version) / "model.onnx")
        (folder / name / "config.pbtxt").write_text(COMMON + CONFIGS[name])
    return folder


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    versions = {"vae_encoder": [3], "vae_decoder": [3]}
    with serving(published(tmp_path_factory.mktemp("model_repository"), versions)) as server:
        yield server.grpc_url


@pytest.fixture(scope="module")
def url_of_others(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of other versions."""
    versions = {"vae_encoder": [5], "vae_decoder": [4, 5]}
    with serving(published(tmp_path_factory.mktemp("others"), versions)) as server:
        yield server.grpc_url


@pytest.fixture(scope="module")
def url_without_decoder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of the encoder alone."""
    repository = published(tmp_path_factory.mktemp("without"), {"vae_encoder": [3]})
    with serving(repository) as server:
        yield server.grpc_url


@pytest.fixture
def tiles() -> Image.Image:
    """An image of 16×16 pixels that the stand-ins keep but for the rounding."""
    colours = np.random.default_rng(0).integers(0, 256, (4, 4, 3), np.uint8)
    return Image.fromarray(colours.repeat(4, 0).repeat(4, 1))


def largest_difference(image: Image.Image, other: Image.Image) -> int:
    return int(np.abs(np.asarray(image, int) - np.asarray(other, int)).max())


def test_an_image_comes_back_within_half_a_step(url, ask, tiles):
    for step in (1 / 64, 0.25):
        data = ask(url, "compress", tiles, step=step)
        image = ask(url, "decompress", data)
        assert (image.mode, image.size) == ("RGB", (16, 16))
        assert largest_difference(tiles, image) <= 127.5 * step / 2 + 1
    assert largest_difference(tiles, image) > 5


def test_a_larger_step_makes_a_smaller_file(url, ask, tiles):
    sizes = [len(ask(url, "compress", tiles, step)) for step in (1 / 64, 0.25, 4)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[2]


def test_a_file_says_what_made_it(url, ask, tiles):
    compressed = unpack(ask(url, "compress", tiles.resize((160, 100))))
    assert (compressed.version, compressed.step, compressed.size) == (3, 0.5, (160, 100))
    assert compressed.quantised.shape == (3, 4, 4)
    image = ask(url, "decompress", ask(url, "compress", tiles.resize((160, 100))))
    assert image.info["original_size"] == (160, 100)
    for data in (bytearray, memoryview):
        assert ask(url, "decompress", data(ask(url, "compress", tiles))).size == (16, 16)


def test_wrong_arguments_are_refused(url, ask, tiles):
    with pytest.raises(InvalidRequest, match=r"step 17.0 is not possible: give 0\.015625 to 16"):
        ask(url, "compress", tiles, step=17)
    with pytest.raises(InvalidRequest, match=r"this is no \.atl file"):
        ask(url, "decompress", b"")
    with pytest.raises(TypeError, match=r"data is a str; give the bytes of an \.atl file"):
        ask(url, "decompress", "a.atl")


def test_a_file_of_another_version_is_refused(url, url_of_others, ask, tiles):
    data = ask(url, "compress", tiles)
    reason = "was made by version 3 of the network; the server has version 4 and 5: serve version 3"
    with pytest.raises(InvalidRequest, match=reason):
        ask(url_of_others, "decompress", data)


def test_a_server_without_a_decoder_says_so(url, url_without_decoder, ask, tiles):
    data = ask(url, "compress", tiles)
    with pytest.raises(InvalidRequest, match="unknown model: 'vae_decoder'") as caught:
        ask(url_without_decoder, "decompress", data)
    assert caught.value.code is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("text", ["", "3,4", "3,4,5", "a,4,4", "3,4,4,1"])
def test_a_decoder_that_does_not_say_the_shape_of_its_latent(text):
    config = SimpleNamespace(parameters={"latent_shape": SimpleNamespace(string_value=text)})
    with pytest.raises(
        ServerFailed, match=r"'latent_shape'.*expected the channels, height and wid"
    ):
        _codec._latent_shape(config, 48)


def test_the_commands(url, tiles, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    tiles.resize((32, 16)).save("photo.png")
    assert run(["compress", "photo.png", "--step", "0.5", "--url", url]) == 0
    assert run(["decompress", "photo.atl", "-o", "square.png", "--url", url]) == 0
    assert run(["decompress", "photo.atl", "-o", "wide.webp", "--keep-aspect", "--url", url]) == 0
    shown = capsys.readouterr()
    assert shown.out == "photo.atl\nsquare.png\nwide.webp\n"
    assert shown.err == 2 * "photo.atl was 32×16 before it was compressed\n"
    assert unpack(Path("photo.atl").read_bytes()).step == 0.5
    with Image.open("square.png") as square, Image.open("wide.webp") as wide:
        assert square.size == (16, 16)
        assert wide.size == (16, 8)


def test_no_command_writes_over_the_image_unasked(url, tiles, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    tiles.save("photo.png")
    before = Path("photo.png").read_bytes()
    assert run(["compress", "photo.png", "--url", url]) == 0
    assert run(["decompress", "photo.atl", "--url", url]) == 0
    assert capsys.readouterr().out == "photo.atl\nphoto-decompressed.png\n"
    assert Path("photo.png").read_bytes() == before


def test_commands_that_are_refused(url, tiles, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    tiles.save("photo.png")
    assert run(["decompress", "photo.png", "-o", "out.png", "--url", url]) == 1
    assert "Error: photo.png: this is no .atl file" in capsys.readouterr().err
    assert run(["compress", "photo.png", "-o", "photo.png", "--url", url]) == 2
    assert "photo.png is the image itself" in capsys.readouterr().err
    assert run(["compress", "photo.png", "--step", "0", "--url", url]) == 2
    assert run(["compress", "none.png", "--url", url]) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photo.png"]


def test_the_example_of_the_docstring(url, tiles, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiles.save("photo.jpg")
    variables = {"Client": Client}
    for example in doctest.DocTestParser().get_examples(Client.compress.__doc__):
        exec(example.source.replace("localhost:8001", url), variables)
    assert variables["image"].size == (16, 16)
