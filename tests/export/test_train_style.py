import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from atelier_export.checkpoint import load_style_checkpoint
from atelier_export.pictures import find_pictures
from atelier_export.train_commands import train
from atelier_export.train_style import Reporting, StyleTraining, split, train_style

SMALL = StyleTraining(steps=20, side=32, style_side=32, held_out=4, channels=(4, 8, 8), blocks=1)
EVERY_STEP = Reporting(log_every=1, save_every=1, sample_every=10)

# Runs in a process of its own, so that it can be killed.
_TRAIN = """
import sys
from pathlib import Path
from test_train_style import EVERY_STEP, SMALL
from atelier_export.train_style import train_style
photographs, red, blue, vgg, output = map(Path, sys.argv[1:])
train_style(photographs, [red, blue], vgg, output, SMALL, reporting=EVERY_STEP)
"""


@pytest.fixture(scope="module")
def trained(photographs, paintings, vgg_file, tmp_path_factory):
    output = tmp_path_factory.mktemp("run")
    train_style(photographs, paintings, vgg_file, output, SMALL, reporting=EVERY_STEP)
    return output


def test_a_training_leaves_checkpoint_curves_samples_and_quality(trained):
    checkpoint = load_style_checkpoint(trained / "style.safetensors")
    assert checkpoint.styles == ("red", "blue")
    assert checkpoint.training["steps"] == SMALL.steps
    assert checkpoint.network.config.channels == SMALL.channels
    assert (trained / "loss.png").stat().st_size > 0
    assert (trained / "samples-000010.jpg").stat().st_size > 0
    assert (trained / "samples-000020.jpg").stat().st_size > 0
    quality = json.loads((trained / "quality.json").read_text())
    assert quality.keys() == {"red", "blue"}
    assert all(0 < value < 100 for style in quality.values() for value in style.values())


def test_a_training_lowers_the_loss(photographs, paintings, vgg_file, tmp_path):
    settings = replace(SMALL, steps=40, learning_rate=1e-2)
    train_style(photographs, paintings, vgg_file, tmp_path, settings, reporting=EVERY_STEP)
    history = torch.load(tmp_path / "state.pt", weights_only=True)["history"]
    first = sum(entry["content"] + 10 * entry["style"] for entry in history[:5])
    last = sum(entry["content"] + 10 * entry["style"] for entry in history[-5:])
    assert last < 0.8 * first


def test_a_killed_training_goes_on_as_if_nothing_had_happened(
    trained, photographs, paintings, vgg_file, tmp_path
):
    arguments = [photographs, *paintings, vgg_file, tmp_path]
    process = subprocess.Popen(
        [sys.executable, "-c", _TRAIN, *map(str, arguments)], cwd=Path(__file__).parent
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / "state.pt").exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    step = torch.load(tmp_path / "state.pt", weights_only=True)["step"]
    assert 1 <= step < SMALL.steps
    assert not (tmp_path / "style.safetensors").exists()

    train_style(photographs, paintings, vgg_file, tmp_path, SMALL, reporting=EVERY_STEP)
    resumed = load_style_checkpoint(tmp_path / "style.safetensors").network.state_dict()
    uninterrupted = load_style_checkpoint(trained / "style.safetensors").network.state_dict()
    for name, value in uninterrupted.items():
        torch.testing.assert_close(resumed[name], value, rtol=0, atol=1e-6)


def test_other_settings_do_not_go_on_with_a_training(trained, photographs, paintings, vgg_file):
    with pytest.raises(ValueError, match=r"other settings: style_weight 10\.0"):
        train_style(photographs, paintings, vgg_file, trained, replace(SMALL, style_weight=1.0))


def test_another_painting_of_the_same_name_does_not_go_on_with_a_training(
    trained, photographs, paintings, vgg_file, tmp_path
):
    other = tmp_path / paintings[0].name
    other.write_bytes(paintings[1].read_bytes())
    with pytest.raises(ValueError, match="other settings: paintings"):
        train_style(photographs, [other, paintings[1]], vgg_file, trained, SMALL)


def test_names_that_cannot_be_served_are_refused_before_the_training(
    photographs, paintings, vgg_file, tmp_path
):
    painting = tmp_path / "Starry Night.png"
    painting.write_bytes(paintings[0].read_bytes())
    with pytest.raises(ValueError, match="'Starry Night' may hold letters"):
        train_style(photographs, [painting], vgg_file, tmp_path, SMALL)


def test_a_training_too_short_for_its_schedule_is_refused():
    with pytest.raises(ValueError, match="5 steps are too few"):
        StyleTraining(steps=5)


def test_two_paintings_of_one_name_are_refused(photographs, paintings, vgg_file, tmp_path):
    with pytest.raises(ValueError, match="names that differ"):
        train_style(photographs, [paintings[0]] * 2, vgg_file, tmp_path, SMALL)


def test_the_split_is_disjoint_complete_and_by_name(photographs):
    pictures = find_pictures(photographs)
    training, held_out = split(pictures, 4)
    assert [picture.name for picture in held_out] == ["3.png", "7.png"]
    assert sorted([*training, *held_out], key=lambda picture: picture.name) == pictures
    with pytest.raises(ValueError, match="8 photographs cannot be split"):
        split(pictures, 9)


def test_the_command_names_a_style_that_has_no_painting(photographs, paintings, vgg_file, tmp_path):
    result = CliRunner().invoke(
        train,
        ["style", "--photographs", str(photographs), "--paintings", str(paintings[0].parent),
         "--vgg", str(vgg_file), "--output", str(tmp_path), "--styles", "red,green"],
    )  # fmt: skip
    assert result.exit_code == 2
    assert "has no green; it has blue, red" in result.output
