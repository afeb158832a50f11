import json

import pytest
from click.testing import CliRunner
from PIL import Image

from atelier_export.commands.groups import compare_style_networks as command
from atelier_export.style.checkpoint import StyleCheckpoint, save_style_checkpoint
from atelier_export.style.network import StyleNetwork, StyleNetworkConfig


def _save(path, styles, **shape):
    network = StyleNetwork(StyleNetworkConfig(len(styles), **shape))
    save_style_checkpoint(path, StyleCheckpoint(network, styles, {}))


@pytest.fixture
def checkpoints(tmp_path):
    small, large = (tmp_path / name / "style.safetensors" for name in ("small", "large"))
    _save(small, ("red", "blue"), patch=4, channels=(8,), blocks=(0,))
    _save(large, ("red", "blue"), patch=2, channels=(16,), blocks=(1,))
    return large, small


@pytest.fixture
def arguments(photographs, paintings, vgg_file, tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    for number in range(20):
        Image.effect_noise((64, 64), 5 * number).convert("RGB").save(folder / f"{number:02}.png")
    return [
        "--images", str(folder), "--paintings", str(paintings[0].parent),
        "--vgg", str(vgg_file), "-o", str(tmp_path / "front"), "--side", "64",
    ]  # fmt: skip


def test_networks_are_compared_with_the_first(checkpoints, arguments, tmp_path):
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
    _save(tmp_path / "other" / "style.safetensors", ("green",), patch=4, channels=(8,), blocks=(0,))
    files = [str(checkpoints[0]), str(tmp_path / "other" / "style.safetensors")]
    result = CliRunner().invoke(command, [*files, *arguments])
    assert result.exit_code == 1
    assert "other has the styles green, large has red, blue; compare networks of" in result.output


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
