"""Both clients and the command line against the served autoencoder."""

import asyncio
import doctest
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
from PIL import Image
from skimage import data
from tritonclient.grpc import service_pb2, service_pb2_grpc

from atelier import AsyncClient, Client, InvalidRequest, Posterior
from atelier._cli.root import run
from atelier_serving import TritonServer
from fakes.triton import serving

ROOT = Path(__file__).parents[2]
REPOSITORY = ROOT / "model_repository"
README = (ROOT / "README.md").read_text()
MODELS = ("vae_encoder", "vae_decoder")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two models in a repository of their own."""
    path = tmp_path_factory.mktemp("model_repository")
    for model in MODELS:
        shutil.copytree(REPOSITORY / model, path / model)
    return path


@pytest.fixture(scope="module")
def triton(repository: Path) -> Iterator[TritonServer]:
    with serving(repository) as server:
        yield server


@pytest.fixture(scope="module")
def url(triton: TritonServer) -> str:
    return triton.grpc_url


@pytest.fixture(scope="module")
def posterior(url: str) -> Posterior:
    with Client(url) as art:
        return art.encode(data.chelsea())


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two images and a mask, in the current directory."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(data.chelsea()).save("photo.jpg")
    Image.fromarray(data.coffee()).save("other.jpg")
    mask = Image.new("L", (451, 300))
    mask.paste(255, (200, 100, 240, 130))
    mask.save("mask.png")
    return tmp_path


def test_an_image_there_and_back(url, ask, posterior):
    (length,) = posterior.mean.shape
    assert posterior.log_variance.shape == (length,)
    assert int(posterior.version) >= 1
    decoded = ask(url, "decode", posterior)
    assert decoded.width == decoded.height
    rebuilt = ask(url, "reconstruct", data.chelsea())
    assert np.abs(np.asarray(rebuilt).astype(int) - np.asarray(decoded)).max() <= 1
    assert ask(url, "denoise", data.chelsea()).size == decoded.size


def test_a_morph_begins_and_ends_at_its_images(url, ask):
    images = ask(url, "interpolate", data.chelsea(), data.coffee(), frames=40)
    assert len(images) == 40
    for end, image in ((images[0], data.chelsea()), (images[-1], data.coffee())):
        rebuilt = np.asarray(ask(url, "reconstruct", image)).astype(int)
        assert np.abs(rebuilt - np.asarray(end)).max() <= 1


def test_variants_and_a_walk(url, ask):
    assert len(ask(url, "vary", data.chelsea(), count=20)) == 20
    walk = ask(url, "wander", data.chelsea(), frames=5)
    difference = np.asarray(walk[0]).astype(int) - np.asarray(walk[-1])
    assert np.abs(difference).max() <= 1


def test_a_hole_is_filled_and_nothing_else_changes(url, ask):
    image = data.chelsea()
    hole = np.zeros(image.shape[:2], bool)
    hole[100:130, 200:240] = True
    filled = np.asarray(ask(url, "fill", image, hole))
    np.testing.assert_array_equal(filled[~hole], image[~hole])
    assert (filled[hole] != image[hole]).any()


def test_latents_that_are_refused(url, ask, posterior):
    length = len(posterior.mean)
    with pytest.raises(
        InvalidRequest, match=f"has {length - 1} numbers; vae_decoder takes {length}"
    ):
        ask(url, "decode", posterior.mean[1:])
    broken = posterior.mean.copy()
    broken[17] = np.nan
    with pytest.raises(InvalidRequest, match="latent: element 17 is nan"):
        ask(url, "decode", broken)
    for version, reason in (
        ("999", "version 999 is not found"),
        ("first", "should be an integral"),
    ):
        with pytest.raises(InvalidRequest, match=reason):
            ask(url, "decode", posterior.mean, version=version)


def test_triton_names_the_shape_of_what_gets_past_the_client(url, posterior):
    length = len(posterior.mean)
    request = service_pb2.ModelInferRequest(model_name="vae_decoder")
    request.inputs.add(name="latent", datatype="FP32", shape=[1, length - 1])
    request.raw_input_contents.append(bytes(4 * (length - 1)))
    with grpc.insecure_channel(url) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            stub.ModelInfer(request)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    expected = rf"'latent' .*Expected \[-1,{length}\], got \[1,{length - 1}\]"
    assert re.search(expected, caught.value.details())


async def test_a_bad_request_harms_none_beside_it(url, posterior):
    async with AsyncClient(url) as art:
        alone = np.asarray(await art.decode(posterior)).astype(int)
        calls = []
        for _ in range(8):
            calls += [art.decode(posterior), art.decode(posterior.mean[1:]), art.encode(b"none")]
        answers = await asyncio.gather(*calls, return_exceptions=True)
    for good, short, broken in zip(answers[::3], answers[1::3], answers[2::3], strict=True):
        assert np.abs(np.asarray(good) - alone).max() <= 1
        assert isinstance(short, InvalidRequest)
        assert isinstance(broken, InvalidRequest)


def test_a_latent_of_a_version_that_was_replaced(repository, tmp_path):
    models = shutil.copytree(repository, tmp_path / "models")
    with serving(models) as server, Client(server.grpc_url) as art:
        old = art.encode(data.chelsea())
        for model in MODELS:
            new = str(int(old.version) + 1)
            shutil.copytree(models / model / old.version, models / model / new)
        server.reload()
        assert art.encode(data.chelsea()).version == new
        with pytest.raises(InvalidRequest, match=f"version {old.version} is not"):
            art.decode(old)
        art.decode(old.mean)


def test_the_example_of_the_docstring(url, images):
    variables = {"Client": Client}
    for example in doctest.DocTestParser().get_examples(Posterior.__doc__):
        exec(example.source.replace("localhost:8001", url), variables)
    assert variables["image"].size == variables["another"].size


def test_the_autoencoder_of_the_readme(url, images):
    (example,) = re.findall(r"```python\n(art\.reconstruct.*?)```", README, re.DOTALL)
    with Client(url) as art:
        exec(example, {"art": art})
    (commands,) = re.findall(r"```sh\n(\.venv/bin/atelier reconstruct.*?)```", README, re.DOTALL)
    for command in commands.splitlines():
        assert run([*command.partition("#")[0].split()[1:], "--url", url]) == 0
