"""Versions of a network side by side, who gets which, and one that comes and goes."""

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from atelier import Canary, Client, InvalidRequest
from atelier._cli.root import run
from atelier_serving import TritonServer
from atelier_serving.closed import Tokens
from fakes.prometheus import Metrics
from fakes.style_network import write_style, write_stylize
from fakes.waiting import until

IMAGE = np.full((16, 16, 3), 100, np.uint8)
TOKEN = "a-token-for-administration"
KEYS = [f"user {number}" for number in range(1000)]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1 of `style` leaves the image as it is, version 2 halves it, and 1 is the default."""
    path = tmp_path_factory.mktemp("repository")
    for version, amount in enumerate((1, 0.5), start=1):
        write_style(path, {"plain": (amount, 0)}, version=version)
    write_style(path, {"plain": (1, 0)}, name="spare")
    write_stylize(path, ["plain"])
    with (path / "style" / "config.pbtxt").open("a") as config:
        config.write("version_policy: { all { } }\n")
    with (path / "stylize" / "config.pbtxt").open("a") as config:
        config.write('parameters { key: "network_version" value { string_value: "1" } }\n')
    return path


@pytest.fixture(scope="module")
def server(repository: Path) -> Iterator[TritonServer]:
    with TritonServer(repository, tokens=Tokens(administration=TOKEN)) as running:
        yield running


@pytest.fixture
def models(server, monkeypatch, capsys) -> Callable[..., list[str]]:
    """Runs `atelier models` with the token for administration; returns what it prints."""

    def command(*arguments: str) -> list[str]:
        monkeypatch.setenv("ATELIER_TOKEN", TOKEN)
        capsys.readouterr()
        assert run(["models", *arguments, "--url", server.grpc_url]) == 0
        monkeypatch.delenv("ATELIER_TOKEN")
        return capsys.readouterr().out.splitlines()

    return command


def test_a_canary_sends_some_keys_to_another_version(server):
    metrics = Metrics(server.metrics_url)
    canary = Canary(new=2, share=0.2)
    got = {}
    with Client(server.grpc_url) as art:
        for key in KEYS[:30]:
            painting = art.stylize(IMAGE, "plain", network_version=canary.version(key))
            got[key] = np.asarray(painting)[0, 0, 0]
            assert painting.info["network_version"] == (canary.version(key) or 1)
    new = {key for key in got if canary.version(key) == 2}
    assert 0 < len(new) < 15
    assert got == {key: 50 if key in new else 100 for key in got}
    for version, count in (("1", 30 - len(new)), ("2", len(new))):
        assert metrics.added("nv_inference_count", model="style", version=version) == count


def test_a_version_that_is_not_served_is_refused(server, tmp_path, picture):
    with Client(server.grpc_url) as art:
        with pytest.raises(InvalidRequest, match="network_version 3 is not served"):
            art.stylize(IMAGE, "plain", network_version=3)
        with pytest.raises(InvalidRequest, match="network_version 0 is not possible"):
            art.stylize(IMAGE, "plain", network_version=0)
    photo = tmp_path / "photo.png"
    photo.write_bytes(picture())
    command = ["stylize", str(photo), "--style", "plain", "-o", str(tmp_path / "out.png")]
    assert run([*command, "--url", server.grpc_url, "--network-version", "2"]) == 0
    with Image.open(tmp_path / "out.png") as painting, Image.open(photo) as before:
        assert np.asarray(painting).max() == round(np.asarray(before).max() / 2)


def test_a_share_is_stable_and_grows_by_new_keys_alone():
    shares = (0, 0.01, 0.1, 0.5, 1)
    chosen = [{key for key in KEYS if Canary(2, share).version(key) == 2} for share in shares]
    for share, keys in zip(shares, chosen, strict=True):
        assert abs(len(keys) - share * len(KEYS)) <= 40
    assert all(fewer <= more for fewer, more in pairwise(chosen))
    assert Canary(new=2, share=0.1, old=1).version("user 3") == 1
    assert Canary(new=2, share=0.1, old=1).version("user 5") == 2


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises(ValueError, match="give 0, for nobody, to 1"):
        Canary(2, share)


def test_a_version_comes_and_goes_without_a_lost_request(server, repository, models):
    over = threading.Event()

    def call() -> int:
        answered = 0
        with Client(server.grpc_url, retries=0) as art:
            while not over.is_set():
                assert np.asarray(art.stylize(IMAGE, "plain"))[0, 0, 0] == 100
                answered += 1
        return answered

    with ThreadPoolExecutor(2) as pool, Client(server.grpc_url) as art:
        calls = [pool.submit(call) for _ in range(2)]
        try:
            write_style(repository, {"plain": (0.25, 0)}, version=3)
            with (repository / "style" / "config.pbtxt").open("a") as config:
                config.write("version_policy: { all { } }\n")
            assert models("load", "style") == [
                f"{server.grpc_url}: style is ready in version 1, 2, 3"
            ]
            painting = art.stylize(IMAGE, "plain", network_version=3)
            assert np.asarray(painting)[0, 0, 0] == 25
            shutil.rmtree(repository / "style" / "3")
            assert models("load", "style")[0].endswith("version 1, 2")
            with pytest.raises(InvalidRequest, match="is not served"):
                art.stylize(IMAGE, "plain", network_version=3)
        finally:
            over.set()
        assert all(call.result() for call in calls)


def test_a_model_is_unloaded_and_loaded(server, models):
    def state() -> dict[str, str]:
        found = map(json.loads, models("list", "--json"))
        return {each["name"]: each["state"] for each in found}

    assert state()["spare"] == "READY"
    assert models("unload", "spare") == [f"{server.grpc_url}: spare takes no more requests"]
    until(lambda: state()["spare"] == "UNAVAILABLE")
    assert any("spare" in line and "UNAVAILABLE" in line for line in models("list"))
    models("load", "spare")
    assert state()["spare"] == "READY"


def test_whoever_has_no_token_changes_nothing(server, monkeypatch, capsys):
    monkeypatch.delenv("ATELIER_TOKEN", raising=False)
    assert run(["models", "unload", "spare", "--url", server.grpc_url]) == 1
    assert "token" in capsys.readouterr().err
