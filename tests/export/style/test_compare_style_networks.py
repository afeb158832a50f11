import json
import shutil

import pytest
from click.testing import CliRunner
from PIL import Image

from atelier_export.commands.groups import compare_style_networks as command
from atelier_export.style import compare_style_networks
from atelier_export.style.checkpoint import StyleCheckpoint, save_style_checkpoint
from atelier_export.style.network import StyleNetwork, StyleNetworkConfig
from fakes.style_network import style_graph

STYLES = ("red", "green", "blue")


def _save(path, styles):
    network = StyleNetwork(StyleNetworkConfig(len(styles), patch=4, channels=(8,), blocks=(0,)))
    save_style_checkpoint(path, StyleCheckpoint(network, styles, {}))


@pytest.fixture
def checkpoints(checkpoint_file, tmp_path):
    small, large = (tmp_path / name / "style.safetensors" for name in ("small", "large"))
    _save(small, STYLES)
    large.parent.mkdir()
    shutil.copy(checkpoint_file, large)
    return large, small


@pytest.fixture
def quick(monkeypatch):
    """Spares the comparison both exports: either network keeps images as they are."""
    graph = style_graph([(1, 0)] * len(STYLES))
    monkeypatch.setattr(compare_style_networks, "export_graph", lambda _: graph)


@pytest.fixture
def arguments(paintings, vgg_file, tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    for number in range(20):
        Image.effect_noise((64, 64), 5 * number).convert("RGB").save(folder / f"{number:02}.png")
    three = shutil.copytree(paintings[0].parent, tmp_path / "paintings")
    Image.effect_noise((60, 50), 80).convert("RGB").save(three / "green.png")
    return [
        "--images", str(folder), "--paintings", str(three),
        "--vgg", str(vgg_file), "-o", str(tmp_path / "front"), "--side", "64",
    ]  # fmt: skip


def test_networks_are_compared_with_the_first(checkpoints, quick, arguments, tmp_path):
    result = CliRunner().invoke(command, [*map(str, checkpoints), *arguments])
    assert result.exit_code == 0, result.output
    baseline, small = json.loads((tmp_path / "front" / "front.json").read_text())
    assert (baseline["name"], small["name"]) == ("large", "small")
    assert baseline["speed"] == {"1": 1, "2": 1}
    assert small["speed"]["1"] == pytest.approx(
        baseline["milliseconds"]["1"] / small["milliseconds"]["1"]
    )
    assert 0 < small["gmac"] < baseline["gmac"]
    for each in (baseline, small):
        parts = each["content"] + 5 * each["style"]
        assert parts < each["loss"] < parts + 0.2 * 2
    assert (tmp_path / "front" / "front.png").stat().st_size > 0
    assert "| `small` |" in result.output


def test_networks_of_other_styles_are_not_compared(checkpoints, arguments, tmp_path):
    other = tmp_path / "other" / "style.safetensors"
    _save(other, ("green",))
    files = [str(checkpoints[0]), str(other)]
    result = CliRunner().invoke(command, [*files, *arguments])
    assert result.exit_code == 1
    told = "other has the styles green, large has red, green, blue; compare networks of"
    assert told in result.output


def test_networks_are_told_apart_by_their_folders(checkpoints, arguments, tmp_path):
    again = tmp_path / "again" / "large" / "style.safetensors"
    again.parent.mkdir(parents=True)
    again.write_bytes(checkpoints[0].read_bytes())
    files = [str(checkpoints[0]), str(again)]
    result = CliRunner().invoke(command, [*files, *arguments])
    assert result.exit_code == 1
    assert "two checkpoints lie in a folder called 'large'" in result.output


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_measured(
    checkpoints, arguments, tmp_path, monkeypatch
):
    measured = "atelier_export.style.compare_style_networks.measure_candidates"
    monkeypatch.setattr(measured, lambda *_: pytest.fail("measured"))
    (tmp_path / "file").touch()
    arguments[arguments.index("-o") + 1] = str(tmp_path / "file" / "front")
    result = CliRunner().invoke(command, [str(checkpoints[0]), *arguments])
    assert result.exit_code == 1
    assert "Not a directory" in result.output
