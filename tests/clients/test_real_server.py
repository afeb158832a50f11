"""Both clients and the command line against the real Triton, with a network of two styles.

The network is a stand-in that can be checked: "as_it_is" returns the picture, "negative" its
negative. Everything around it is what is served.
"""

import ast
import asyncio
import doctest
import io
import json
import re
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from atelier import AsyncClient, Client, DeadlineExceeded, InvalidRequest, Unreachable
from atelier._cli.root import run
from atelier_serving import ReloadError, TritonServer
from fakes.python_models import copy_code
from fakes.style_network import IN_TWO_STYLES, write_style, write_stylize
from fakes.triton import serving
from fakes.waiting import until

HOLD = """

import time
from pathlib import Path


class TritonPythonModel(TritonPythonModel):
    def execute(self, requests):
        while Path(__file__).with_name("held").exists():
            time.sleep(0.005)
        return super().execute(requests)
"""
"""Has a model do nothing as long as the file `held` lies beside its code."""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The served models with the stand-in network, and a `stylize` that can be held."""
    path = tmp_path_factory.mktemp("model_repository")
    write_style(path, IN_TWO_STYLES)
    write_stylize(path, IN_TWO_STYLES)
    with (path / "stylize/1/model.py").open("a") as code:
        code.write(HOLD)
    return path


@pytest.fixture(scope="module")
def triton(repository: Path) -> Iterator[TritonServer]:
    with serving(repository, http_port=0) as server:
        yield server


@pytest.fixture(scope="module")
def url(triton: TritonServer) -> str:
    return triton.grpc_url


@pytest.fixture
def held(repository: Path) -> Iterator[None]:
    """The server finishes no painting until the test ends."""
    file = repository / "stylize/1/held"
    file.touch()
    yield
    file.unlink()


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (67, 45, 3), dtype=np.uint8)


def test_pixels_there_and_back(url, ask, pixels):
    ask(url, "wait_ready")
    assert ask(url, "styles") == ["as_it_is", "negative"]
    np.testing.assert_array_equal(np.asarray(ask(url, "stylize", pixels, "as_it_is")), pixels)
    negative = ask(url, "stylize", Image.fromarray(pixels), "negative")
    np.testing.assert_array_equal(np.asarray(negative), 255 - pixels)
    mixed = ask(url, "stylize", pixels, {"as_it_is": 0.5, "negative": 0.5})
    assert np.asarray(mixed).min() >= 126
    assert np.asarray(mixed).max() <= 128


def test_what_can_be_asked_for(url, ask, pixels):
    soft = (100 + pixels // 4).astype(np.uint8)
    half = ask(url, "stylize", soft, "as_it_is", strength=0.5)
    # Rounded as the network rounds, to the even value of two.
    np.testing.assert_array_equal(np.asarray(half), np.round(soft / 2).astype(np.uint8))
    painted = ask(url, "stylize", soft, "negative", longest_side=20)
    assert painted.size == (45, 67)
    assert np.asarray(painted).std() < np.asarray(soft).std() / 2
    kept = ask(url, "stylize", soft, "negative", keep_colors=True, longest_side=20)
    own, theirs = (
        np.asarray(image.convert("YCbCr"))[..., 1:].astype(int)
        for image in (Image.fromarray(soft), kept)
    )
    assert np.abs(own - theirs).max() <= 2


def test_the_colour_profile_comes_back(url, ask, pixels):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image.fromarray(pixels)
    assert "icc_profile" not in ask(url, "stylize", image, "negative").info
    image.info["icc_profile"] = profile
    for mode in ("RGB", "RGBA", "P"):
        painting = ask(url, "stylize", image.convert(mode), "negative")
        assert painting.info["icc_profile"] == profile
    assert "icc_profile" not in ask(url, "stylize", image.convert("L"), "negative").info


def test_encoded_pictures_keep_their_format(url, ask, pixels):
    for encoding in ("JPEG", "PNG", "WEBP"):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, encoding)
        painting = ask(url, "stylize_encoded", buffer.getvalue(), "negative")
        assert Image.open(io.BytesIO(painting)).format == encoding
        painting = ask(url, "stylize_encoded", buffer.getvalue(), "negative", format="webp")
        assert Image.open(io.BytesIO(painting)).format == "WEBP"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"style": "no_such_style"}, "as_it_is"),
        ({"style": {"negative": -1.0}}, "negative"),
        ({"image": b"\xff\xd8\xff and no more"}, "JPEG|jpeg"),
        ({"quality": 1000}, "1 to 100"),
        ({"format": "gif"}, "jpeg"),
        ({"strength": 2.5}, "strength 2.5 is not possible: use a number from 0"),
        ({"strength": float("nan")}, "strength nan is not possible"),
        ({"longest_side": 15}, "longest_side 15 is not possible: use a whole number"),
        ({"longest_side": 64.0}, "longest_side 64.0 is not possible"),
    ],
)
def test_what_the_server_refuses(url, ask, pixels, change, reason):
    with pytest.raises(InvalidRequest, match=reason) as caught:
        ask(url, "stylize", **{"image": pixels, "style": "negative", **change})
    assert "in ensemble" not in str(caught.value)
    assert caught.value.code is not None
    ask(url, "stylize", pixels, "negative")


@pytest.mark.usefixtures("held")
def test_a_timeout_too_short_for_the_work(url, ask, pixels):
    with pytest.raises(DeadlineExceeded):
        ask(url, "stylize", pixels, "negative", timeout=0.5)


def test_threads_share_a_client(url, pixels):
    with Client(url) as art, ThreadPoolExecutor(8) as threads:
        styles = ["as_it_is", "negative"] * 20
        paintings = threads.map(lambda style: art.stylize(pixels, style), styles)
        for style, painting in zip(styles, paintings, strict=True):
            expected = pixels if style == "as_it_is" else 255 - pixels
            np.testing.assert_array_equal(np.asarray(painting), expected)


async def test_many_at_once(url, pixels):
    async with AsyncClient(url, max_in_flight=8) as art:
        paintings = await asyncio.gather(*(art.stylize(pixels, "negative") for _ in range(40)))
    for painting in paintings:
        np.testing.assert_array_equal(np.asarray(painting), 255 - pixels)


def test_the_port_for_http(triton, pixels):
    with (
        Client(triton.http_url, retries=0) as art,
        pytest.raises(Unreachable, match="the port is the one for gRPC"),
    ):
        art.stylize(pixels, "negative")


def test_a_server_that_went_away(repository, pixels, clock):
    with serving(repository) as server:
        art = Client(server.grpc_url)
        art.stylize(pixels, "negative")
    with pytest.raises(Unreachable):
        art.stylize(pixels, "negative")
    art.close()


def test_a_model_that_is_unloaded_is_not_ready_until_it_is_back(repository, pixels, long_pauses):
    with serving(repository) as server, Client(server.grpc_url) as art:
        art.wait_ready()
        server._control().unload("stylize")
        with pytest.raises(Unreachable, match="is up, but its model 'stylize' is not ready yet"):
            art.wait_ready(600)
        with pytest.raises(Unreachable, match="does not serve it at the moment; a model is being"):
            art.stylize(pixels, "negative", timeout=600)
        server._control().load("stylize")
        art.wait_ready()


IN_THREE_STYLES = {**IN_TWO_STYLES, "dark": (0.5, 0)}


@pytest.mark.parametrize("output", ["stylized", "painted"])
def test_no_request_fails_while_a_version_of_style_is_taken_or_refused(
    repository, tmp_path, pixels, output
):
    """With a third style. An output of another name fits no ensemble."""
    models = shutil.copytree(repository, tmp_path / "models")
    ended = threading.Event()
    counts = [0] * 4

    def ask_on(client: int, art: Client) -> None:
        while not ended.is_set():
            np.testing.assert_array_equal(np.asarray(art.stylize(pixels, "negative")), 255 - pixels)
            counts[client] += 1
            ended.wait(0.03)

    with (
        serving(models) as server,
        Client(server.grpc_url, retries=0) as art,
        ThreadPoolExecutor() as threads,
    ):
        clients = [threads.submit(ask_on, client, art) for client in range(len(counts))]
        try:
            until(lambda: all(counts) or any(client.done() for client in clients))
            write_style(models, IN_THREE_STYLES, output=output, version=2)
            write_stylize(models, IN_THREE_STYLES)
            if output == "stylized":
                assert str(server.reload()) == "reloaded: style version 2, stylize version 1"
                assert art.styles() == list(IN_THREE_STYLES)
                dark = np.asarray(art.stylize(pixels, "dark"))
                np.testing.assert_array_equal(dark, np.round(pixels / 2).astype(np.uint8))
            else:
                with pytest.raises(ReloadError, match="model 'style' has other inputs or outputs"):
                    server.reload()
                assert art.styles() == list(IN_TWO_STYLES)
        finally:
            ended.set()
        for client in clients:
            client.result()


def test_a_model_that_is_not_there_is_never_ready(repository, tmp_path, long_pauses):
    copy_code(tmp_path, "latents")
    with (
        serving(tmp_path) as server,
        Client(server.grpc_url) as art,
        pytest.raises(Unreachable, match="model 'stylize' is not ready yet"),
    ):
        art.wait_ready(600)


@pytest.mark.parametrize("client", [Client, AsyncClient])
async def test_the_example_of_the_docstring(url, tmp_path, monkeypatch, pixels, client):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(pixels).save("photo.jpg")
    variables = {client.__name__: client}
    examples = doctest.DocTestParser().get_examples(client.__doc__)
    assert len(examples) == 2
    for example in examples:
        source = example.source.replace("localhost:8001", url)
        code = compile(source, "example", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        running = eval(code, variables)
        if running is not None:
            await running
    with Image.open("painting.jpg") as painting:
        assert painting.size == (45, 67)


def test_the_command_line(url, tmp_path, monkeypatch, capsys, pixels):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(pixels).save("photo.png")
    assert run(["styles", "--url", url]) == 0
    assert run(["stylize", "photo.png", "--style", "negative", "--url", url]) == 0
    assert capsys.readouterr().out.split() == ["as_it_is", "negative", "photo-negative.png"]
    with Image.open("photo-negative.png") as painting:
        np.testing.assert_array_equal(np.asarray(painting), 255 - pixels)


def test_the_demo(repository, tmp_path, capsys):
    arguments = ["--model-repository", str(repository), "--output", str(tmp_path)]
    assert run(["demo", *arguments]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    assert len(rows) == 4
    for row in rows:
        # No part of a request's time is below 0.
        assert all(float(cell) >= 0 for cell in row.strip("│").split("│")[2:]), row
    assert len(list(tmp_path.glob("*-negative.jpg"))) == 4
    assert len(list(tmp_path.glob("*-as_it_is-own_colors.jpg"))) == 4
    with Image.open(tmp_path / "contact_sheet.jpg") as sheet:
        sheet.load()


def test_the_status_of_the_server(triton, picture, capsys):
    url = triton.grpc_url
    with Client(url) as art:
        before = {model.name: model for model in art.status().models}
        art.stylize(picture(), "negative")
        status = art.status()
        assert asyncio.run(status_of(url)).server == status.server
    assert status.server.startswith("triton ")
    assert status.ready
    assert status.styles == list(IN_TWO_STYLES)
    assert [model.name for model in status.models] == ["style", "stylize"]
    for model in status.models:
        assert model.ready
        assert model.answered == before[model.name].answered + 1
        assert model.name == "stylize" or model.compute_seconds > 0
        assert model.batch >= 1

    also = url.replace("127.0.0.1", "localhost")
    assert run(["status", "--url", f"{url},{also}", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["url"] for line in lines] == [url, also]
    assert lines[0]["models"][1]["answered"] == status.models[1].answered
    assert run(["status", "--url", url]) == 0
    assert re.search(r"stylize\W+1\W+ready\W+\d+\W+0\W", capsys.readouterr().out)


async def status_of(url):
    async with AsyncClient(url) as art:
        return await art.status()
