"""Two versions of a network side by side, and who gets which."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from atelier import Canary, Client, InvalidRequest
from atelier._cli.root import run
from atelier_serving import TritonServer
from fakes.prometheus import Metrics
from fakes.style_network import write_style, write_stylize

IMAGE = np.full((16, 16, 3), 100, np.uint8)
KEYS = [f"user {number}" for number in range(1000)]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1 of `style` leaves the image as it is, version 2 halves it, and 1 is the default."""
    path = tmp_path_factory.mktemp("repository")
    for version, amount in enumerate((1, 0.5), start=1):
        write_style(path, {"plain": (amount, 0)}, version=version)
    write_stylize(path, ["plain"])
    with (path / "style" / "config.pbtxt").open("a") as config:
        config.write("version_policy: { all { } }\n")
    with (path / "stylize" / "config.pbtxt").open("a") as config:
        config.write('parameters { key: "network_version" value { string_value: "1" } }\n')
    return path


@pytest.fixture(scope="module")
def server(repository: Path) -> Iterator[TritonServer]:
    with TritonServer(repository) as running:
        yield running


def test_a_canary_sends_some_keys_to_another_version(server):
    metrics = Metrics(server.metrics_url)
    canary = Canary(new=2, share=0.2)
    got = {}
    with Client(server.grpc_url) as art:
        for key in KEYS[:30]:
            painting = art.stylize(IMAGE, "plain", network_version=canary.version(key))
            got[key] = np.asarray(painting)[0, 0, 0]
    new = {key for key in got if canary.version(key) == 2}
    assert 0 < len(new) < 15
    assert got == {key: 50 if key in new else 100 for key in got}
    for version, count in (("1", 30 - len(new)), ("2", len(new))):
        assert metrics.added("nv_inference_count", model="style", version=version) == count


def test_a_version_that_is_not_served_is_refused(server, tmp_path, picture, capsys):
    with Client(server.grpc_url) as art:
        with pytest.raises(InvalidRequest, match="network_version 3 is not served"):
            art.stylize(IMAGE, "plain", network_version=3)
        with pytest.raises(InvalidRequest, match="network_version 0 is not possible"):
            art.stylize(IMAGE, "plain", network_version=0)
    photo = tmp_path / "photo.png"
    photo.write_bytes(picture())
    command = ["stylize", str(photo), "--style", "plain", "-o", str(tmp_path / "out.png")]
    assert run([*command, "--url", server.grpc_url, "--network-version", "2", "--log=text"]) == 0
    assert " version=2 " in capsys.readouterr().err


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
