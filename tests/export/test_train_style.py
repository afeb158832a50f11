import math
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from atelier_export.checkpoint import load_style_checkpoint
from atelier_export.manifest import sha256
from atelier_export.pictures import find_pictures
from atelier_export.style_networks import style_network_config
from atelier_export.style_training import StyleTraining, split
from atelier_export.train_commands import train
from atelier_export.train_style import Inputs, Machine, add_style, train_style

SMALL = StyleTraining(steps=20, side=32, margin=4, crops=10, style_side=32, held_out=4)
EVERY_STEP = Machine(log_every=1, save_every=1, sample_every=10)

# Runs in a process of its own, so that it can be killed.
_TRAIN = """
import sys
from pathlib import Path
from test_train_style import EVERY_STEP, SMALL
from atelier_export.train_style import Inputs, train_style
photographs, red, blue, vgg, output = map(Path, sys.argv[1:])
train_style(Inputs(photographs, [red, blue], vgg), output, SMALL, EVERY_STEP)
"""


@pytest.fixture(scope="module")
def inputs(photographs, paintings, vgg_file) -> Inputs:
    return Inputs(photographs, paintings, vgg_file)


@pytest.fixture(scope="module")
def trained(inputs, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("run")
    train_style(inputs, output, SMALL, EVERY_STEP)
    return output


def test_a_training_leaves_checkpoint_curves_and_samples(trained):
    checkpoint = load_style_checkpoint(trained / "style.safetensors")
    assert checkpoint.styles == ("red", "blue")
    assert checkpoint.training["steps"] == SMALL.steps
    assert checkpoint.network.config == style_network_config(SMALL.network, 2)
    assert (trained / "loss.png").stat().st_size > 0
    assert (trained / "samples-000010.jpg").stat().st_size > 0
    assert (trained / "samples-000020.jpg").stat().st_size > 0


def test_a_training_lowers_the_loss(inputs, tmp_path):
    settings = replace(SMALL, steps=40, learning_rate=1e-2)
    train_style(inputs, tmp_path, settings, EVERY_STEP)
    history = torch.load(tmp_path / "state.pt", weights_only=True)["history"]
    losses = [entry["content"] + 10 * entry["style"] for entry in history]
    losses = [loss for loss in losses if not math.isnan(loss)]
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])


def test_the_learning_rate_rises_stays_and_falls_to_zero():
    training = StyleTraining(steps=1000)
    assert [training.pace(step) for step in (0, 99, 500, 750)] == [0.01, 1, 1, 1]
    assert training.pace(875) == 0.5
    assert training.pace(1000) == 0
    assert StyleTraining(steps=1).pace(0) == 1


def test_a_killed_training_goes_on_as_if_nothing_had_happened(trained, inputs, tmp_path):
    arguments = [inputs.photographs, *inputs.paintings, inputs.vgg, tmp_path]
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

    train_style(inputs, tmp_path, SMALL, EVERY_STEP)
    resumed = load_style_checkpoint(tmp_path / "style.safetensors").network.state_dict()
    uninterrupted = load_style_checkpoint(trained / "style.safetensors").network.state_dict()
    for name, value in uninterrupted.items():
        torch.testing.assert_close(resumed[name], value, rtol=0, atol=1e-6)


def test_a_training_can_be_made_longer(inputs, tmp_path):
    train_style(inputs, tmp_path, SMALL, EVERY_STEP)
    longer = replace(SMALL, steps=22)
    checkpoint = load_style_checkpoint(train_style(inputs, tmp_path, longer, EVERY_STEP))
    assert checkpoint.training["steps"] == 22
    history = torch.load(tmp_path / "state.pt", weights_only=True)["history"]
    assert [entry["step"] for entry in history] == list(range(1, 23))


def test_other_settings_do_not_go_on_with_a_training(trained, inputs):
    with pytest.raises(ValueError, match=r"other settings: style_weight 5\.0"):
        train_style(inputs, trained, replace(SMALL, style_weight=1.0))


def test_another_painting_of_the_same_name_does_not_go_on_with_a_training(
    trained, inputs, tmp_path
):
    other = tmp_path / inputs.paintings[0].name
    other.write_bytes(inputs.paintings[1].read_bytes())
    with pytest.raises(ValueError, match="other settings: paintings"):
        train_style(replace(inputs, paintings=[other, inputs.paintings[1]]), trained, SMALL)


def test_names_that_cannot_be_served_are_refused_before_the_training(inputs, tmp_path):
    painting = tmp_path / "Starry Night.png"
    painting.write_bytes(inputs.paintings[0].read_bytes())
    with pytest.raises(ValueError, match="'Starry Night' may hold letters"):
        train_style(replace(inputs, paintings=[painting]), tmp_path, SMALL)


def test_two_paintings_of_one_name_are_refused(inputs, tmp_path):
    with pytest.raises(ValueError, match="names that differ"):
        train_style(replace(inputs, paintings=[inputs.paintings[0]] * 2), tmp_path, SMALL)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"side": 100}, "multiple of 8, not 100"),
        ({"network": "vast"}, "no network 'vast', only johnson, narrow"),
    ],
)
def test_what_cannot_be_trained_is_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        StyleTraining(**setting)


def test_another_style_is_learnt_and_the_others_stay_to_the_bit(trained, inputs, tmp_path):
    painting = tmp_path / "green.png"
    Image.effect_noise((50, 60), 80).convert("RGB").save(painting)
    base = trained / "style.safetensors"
    settings = replace(SMALL, network="johnson")  # which the checkpoint overrules
    added = load_style_checkpoint(
        add_style(base, replace(inputs, paintings=[painting]), tmp_path / "run", settings)
    )
    before = load_style_checkpoint(base)
    assert added.styles == ("red", "blue", "green")
    assert added.network.config == style_network_config(SMALL.network, 3)
    assert added.training["added_to"]["sha256"] == sha256(base.read_bytes())
    after = added.network.state_dict()
    for name, value in before.network.state_dict().items():
        assert torch.equal(after[name][: len(value)], value)
    began = before.network.with_another_style().state_dict()
    changed = [name for name, value in began.items() if not torch.equal(after[name][-1], value[-1])]
    norms = [name for name in began if name.endswith(("norm.scale", "norm.shift"))]
    assert changed == norms
    image = torch.rand(1, 3, 32, 32)
    assert torch.equal(
        added.network(image, torch.eye(3)[:1]), before.network(image, torch.eye(2)[:1])
    )


def test_a_style_that_is_there_already_is_not_added(trained, inputs, tmp_path):
    red = replace(inputs, paintings=inputs.paintings[:1])
    with pytest.raises(ValueError, match="names that differ"):
        add_style(trained / "style.safetensors", red, tmp_path, SMALL)


def test_the_split_is_disjoint_complete_and_by_name(photographs):
    pictures = find_pictures(photographs)
    training, held_out = split(pictures, 4)
    assert [picture.name for picture in held_out] == ["3.png", "7.png"]
    assert sorted([*training, *held_out], key=lambda picture: picture.name) == pictures
    with pytest.raises(ValueError, match="8 photographs cannot be split"):
        split(pictures, 9)


@pytest.mark.parametrize("options", [[], ["--paintings", ".", "--add", __file__]])
def test_the_command_trains_a_network_or_adds_a_style(options, photographs, vgg_file, tmp_path):
    result = CliRunner().invoke(
        train,
        ["style", "--photographs", str(photographs), "--vgg", str(vgg_file),
         "--output", str(tmp_path), *options],
    )  # fmt: skip
    assert result.exit_code == 2
    assert "give either --paintings for a new network or --add" in result.output


def test_the_command_names_a_style_that_has_no_painting(photographs, paintings, vgg_file, tmp_path):
    result = CliRunner().invoke(
        train,
        ["style", "--photographs", str(photographs), "--paintings", str(paintings[0].parent),
         "--vgg", str(vgg_file), "--output", str(tmp_path), "--styles", "red,green"],
    )  # fmt: skip
    assert result.exit_code == 2
    assert "has no green; it has blue, red" in result.output
