import math
import shutil
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import click
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from atelier_export.commands import groups
from atelier_export.data.crops import RandomCrops
from atelier_export.data.images import find_images
from atelier_export.files.folder_lock import folder_lock
from atelier_export.losses.perceptual import load_perceptual_loss
from atelier_export.publishing.manifest import sha256
from atelier_export.settings import RunSettings
from atelier_export.style.architectures import style_network_config
from atelier_export.style.checkpoint import load_style_checkpoint
from atelier_export.style.network import StyleNetwork
from atelier_export.style.settings import (
    AddedStyleData,
    AddedStyleSettings,
    NewStyleSettings,
    StyleData,
)
from atelier_export.style.training import StyleTraining, add_style, train
from atelier_export.training.loop import Update

SMALL = NewStyleSettings(steps=10, side=32, margin=4, crops=10, style_side=32, held_out=4)
SMALL_ADDED = AddedStyleSettings(steps=10, side=32, margin=4, crops=10, style_side=32, held_out=4)

# Run in processes of their own, so that they can be killed, and can fork workers.
_IMPORTS = """
import logging, os, signal, sys
from pathlib import Path
from test_training import SMALL, data_of
from atelier_export.settings import RunSettings
from atelier_export.style.training import train
settings = {}
"""
_TRAIN = """
images, paintings, vgg, output = map(Path, sys.argv[1:])
train(data_of(images, paintings, vgg), SMALL, RunSettings(output, **settings))
"""
_WITH_A_WORKER = """
settings = {"workers": 1}
"""
# Killed when it reports the fifth step, whose state it does not save.
_KILLED_ON_THE_WAY = """
class Kill(logging.Handler):
    def emit(self, record):
        if record.getMessage().startswith("step 5/"):
            os.kill(os.getpid(), signal.SIGKILL)

logging.basicConfig(level="INFO", handlers=[Kill()])
settings = {"log_every": 1, "save_every": 2}
"""


def data_of(images: Path, paintings: Path, vgg: Path) -> StyleData:
    return StyleData(images, paintings, vgg, ("red", "blue"))


def run_in(output: Path, **settings: int) -> RunSettings:
    """A run that reports and saves after every step."""
    return RunSettings(output, **{"log_every": 1, "save_every": 1, "sample_every": 10, **settings})


@pytest.fixture(scope="module")
def data(photographs, paintings, vgg_file) -> StyleData:
    return data_of(photographs, paintings[0].parent, vgg_file)


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("run")
    train(data, SMALL, RunSettings(output, sample_every=5))
    return output


@pytest.fixture(scope="module")
def data_to_add(data, trained, tmp_path_factory) -> AddedStyleData:
    painting = tmp_path_factory.mktemp("green") / "green.png"
    Image.effect_noise((50, 60), 80).convert("RGB").save(painting)
    return AddedStyleData(painting, data.images, data.vgg, trained / "style.safetensors")


@pytest.fixture(scope="module")
def added(data_to_add, tmp_path_factory) -> Path:
    return add_style(data_to_add, SMALL_ADDED, RunSettings(tmp_path_factory.mktemp("added")))


def run_apart(program: str, data: StyleData, output: Path) -> int:
    arguments = data.images, data.paintings, data.vgg, output
    command = [sys.executable, "-c", _IMPORTS + program, *arguments]
    return subprocess.run(command, cwd=Path(__file__).parent, check=False).returncode


def assert_ended_on_the_way(output: Path) -> None:
    assert torch.load(output / "state.pt", weights_only=True)["step"] == 4
    assert not (output / "style.safetensors").exists()


def assert_equal_weights(one: Path, other: Path) -> None:
    expected = load_style_checkpoint(other).network.state_dict()
    for name, value in load_style_checkpoint(one).network.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=1e-6)


def test_a_training_leaves_checkpoint_curves_and_samples(trained):
    checkpoint = load_style_checkpoint(trained / "style.safetensors")
    assert checkpoint.styles == ("red", "blue")
    assert checkpoint.training["steps"] == SMALL.steps
    assert checkpoint.network.config == style_network_config(SMALL.network, 2)
    assert (trained / "loss.png").stat().st_size > 0
    assert (trained / "samples-000005.jpg").stat().st_size > 0
    assert (trained / "samples-000010.jpg").stat().st_size > 0


def test_photographs_that_cannot_be_decoded_change_nothing(trained, data, photographs, tmp_path):
    damaged = shutil.copytree(photographs, tmp_path / "damaged")
    (damaged / "._3.png").write_bytes(b"\x00\x05\x16\x07")
    (damaged / "truncated.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    result = train(replace(data, images=damaged), SMALL, RunSettings(tmp_path / "run"))
    assert_equal_weights(result, trained / "style.safetensors")
    strict = replace(data, images=damaged, strict=True)
    with pytest.raises(ValueError, match="2 of 10 images"):
        train(strict, SMALL, RunSettings(tmp_path / "other"))
    assert not (tmp_path / "other").exists()


def test_a_training_lowers_the_loss(data, tmp_path):
    settings = replace(SMALL, steps=20, learning_rate=2e-2)
    train(data, settings, RunSettings(tmp_path, log_every=1))
    history = torch.load(tmp_path / "state.pt", weights_only=True)["history"]
    losses = [entry["content"] + 10 * entry["style"] for entry in history]
    losses = [loss for loss in losses if not math.isnan(loss)]
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])


def test_a_killed_training_goes_on_as_if_nothing_had_happened(trained, data, tmp_path):
    assert run_apart(_KILLED_ON_THE_WAY + _TRAIN, data, tmp_path) == -signal.SIGKILL
    assert_ended_on_the_way(tmp_path)
    resumed = train(data, SMALL, RunSettings(tmp_path))
    assert_equal_weights(resumed, trained / "style.safetensors")


def test_a_worker_changes_nothing(trained, data, tmp_path):
    assert run_apart(_WITH_A_WORKER + _TRAIN, data, tmp_path) == 0
    assert_equal_weights(tmp_path / "style.safetensors", trained / "style.safetensors")


def test_a_training_can_be_made_longer_and_not_shorter(data, tmp_path):
    train(data, replace(SMALL, steps=2), run_in(tmp_path))
    longer = replace(SMALL, steps=4)
    result = train(data, longer, run_in(tmp_path))
    assert load_style_checkpoint(result).training["steps"] == 4
    history = torch.load(tmp_path / "state.pt", weights_only=True)["history"]
    assert [entry["step"] for entry in history] == [1, 2, 3, 4]
    with pytest.raises(ValueError, match="holds 4 steps already; give --steps 4 or more"):
        train(data, replace(SMALL, steps=3), RunSettings(tmp_path))
    assert load_style_checkpoint(result).training["steps"] == 4


def test_a_training_that_diverges_keeps_its_last_good_state(data, tmp_path):
    with pytest.raises(ValueError, match=r"the loss is nan, .* at step 2; choose smaller weights"):
        train(data, replace(SMALL, learning_rate=1e30), run_in(tmp_path))
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert state["step"] == 1
    assert all(value.isfinite().all() for value in state["parts"]["network"].values())
    assert not (tmp_path / "style.safetensors").exists()


def test_a_loss_without_bounds_ends_the_training_at_the_latest_before_it_is_saved(data, tmp_path):
    settings = replace(SMALL, steps=2, style_weight=3e38)
    with pytest.raises(ValueError, match=r"the loss is (inf|nan), .* at step 2"):
        train(data, settings, run_in(tmp_path, log_every=100, save_every=100))
    assert not list(tmp_path.iterdir())


def test_two_trainings_in_one_folder_exclude_each_other(data, tmp_path):
    with (
        folder_lock(tmp_path, KeyError()),
        pytest.raises(ValueError, match=f"another training is running in {tmp_path}"),
    ):
        train(data, SMALL, RunSettings(tmp_path))
    assert not list(tmp_path.iterdir())


def test_the_stability_may_have_no_weight(data, tmp_path):
    settings = replace(SMALL, steps=2, stability_weight=0, strength_jitter=0)
    train(data, settings, run_in(tmp_path))
    history = torch.load(tmp_path / "state.pt", weights_only=True)["history"]
    assert [entry["stability"] for entry in history] == [0, 0]


def test_the_stability_is_that_of_the_first_image(data, paintings):
    settings = replace(SMALL, batch=3, strength_jitter=0.5)
    network = StyleNetwork(style_network_config(settings.network, 2))
    side = settings.side + 2 * settings.margin + settings.max_move
    training = StyleTraining(
        network, ("red", "blue"), load_perceptual_loss(paintings, data.vgg, settings.style_side),
        RandomCrops(find_images(data.images), side, settings.crops, 0), [], settings, 0, {},
    )  # fmt: skip
    seen = set()
    for step in range(8):
        loss, terms = training.loss(step, [0, 1, 2], torch.rand(3, 3, side, side))
        missing = terms["content"].isnan()
        assert loss.isfinite()
        assert terms["stability"].isnan().tolist() == [missing[0]]
        seen.add(tuple(missing.tolist()))
    assert len(seen) > 2


def test_other_settings_do_not_go_on_with_a_training(trained, data):
    with pytest.raises(ValueError, match=r"other settings: style_weight 5\.0"):
        train(data, replace(SMALL, style_weight=1.0), RunSettings(trained))


def test_another_painting_of_the_same_name_does_not_go_on_with_a_training(
    trained, data, paintings, tmp_path
):
    for name in ("red.png", "blue.png"):
        (tmp_path / name).write_bytes(paintings[1].read_bytes())
    with pytest.raises(ValueError, match="other settings: paintings"):
        train(replace(data, paintings=tmp_path), SMALL, RunSettings(trained))


def test_names_that_cannot_be_served_are_refused_before_the_training(data, paintings, tmp_path):
    (tmp_path / "Starry Night.png").write_bytes(paintings[0].read_bytes())
    with pytest.raises(ValueError, match="'Starry Night' may only hold letters"):
        train(replace(data, paintings=tmp_path, styles=()), SMALL, RunSettings(tmp_path / "run"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"side": 100}, "side must be a multiple of 8, not 100"),
        (
            {"network": "vast"},
            "network must be johnson, .* or eighth, not 'vast'",
        ),
        ({"steps": 0}, "steps must be a finite number from 1 up, not 0"),
        ({"style_weight": math.nan}, "style_weight must be a finite number from 0 up, not nan"),
        ({"stability_weight": -1}, "stability_weight must be a finite number from 0 up, not -1"),
        ({"learning_rate": math.inf}, "learning_rate must be a finite number from 0 up, not inf"),
        (
            {"strength_jitter": 1},
            "strength_jitter must be .* from 0 up to less than 1, not 1",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        NewStyleSettings(**settings)


def test_another_style_is_learnt_and_the_others_stay_to_the_bit(trained, added):
    base = trained / "style.safetensors"
    added = load_style_checkpoint(added)
    before = load_style_checkpoint(base)
    assert added.styles == ("red", "blue", "green")
    assert added.network.config == style_network_config(SMALL.network, 3)
    assert added.training["added_to"]["sha256"] == sha256(base.read_bytes())
    assert added.training["added_to"]["network"] == SMALL.network
    assert "network" not in added.training
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


def test_an_interrupted_training_of_another_style_goes_on_as_if_nothing_had_happened(
    trained, added, data_to_add, tmp_path, monkeypatch
):
    update = StyleTraining.update

    def interrupted(training: StyleTraining, step: int) -> Update:
        if step == 5:
            raise KeyboardInterrupt
        return update(training, step)

    monkeypatch.setattr(StyleTraining, "update", interrupted)
    with pytest.raises(KeyboardInterrupt):
        add_style(data_to_add, SMALL_ADDED, RunSettings(tmp_path, save_every=2))
    assert_ended_on_the_way(tmp_path)
    monkeypatch.undo()
    resumed = add_style(data_to_add, SMALL_ADDED, RunSettings(tmp_path))
    assert_equal_weights(resumed, added)
    after = load_style_checkpoint(resumed).network.state_dict()
    for name, value in load_style_checkpoint(data_to_add.checkpoint).network.state_dict().items():
        assert torch.equal(after[name][: len(value)], value)


def test_the_network_that_is_widened_is_not_overwritten(trained, data_to_add):
    base = trained / "style.safetensors"
    before = base.read_bytes()
    with pytest.raises(ValueError, match="would be overwritten; choose another output folder"):
        add_style(data_to_add, SMALL_ADDED, RunSettings(trained))
    assert base.read_bytes() == before


def test_a_style_that_is_there_already_is_not_added(data_to_add, paintings, tmp_path):
    with pytest.raises(ValueError, match="names that differ"):
        add_style(replace(data_to_add, painting=paintings[0]), SMALL_ADDED, RunSettings(tmp_path))


def invoke(command: click.Command, *arguments: object) -> Result:
    return CliRunner().invoke(command, list(map(str, arguments)))


def test_the_command_trains_a_network(data, tmp_path):
    result = invoke(
        groups.train, "style", "--images", data.images, "--paintings", data.paintings,
        "--vgg", data.vgg, "--output", tmp_path, "--styles", "red,blue", "--steps", 2,
        "--side", 32, "--margin", 4, "--crops", 10, "--style-side", 32, "--held-out", 4,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == str(tmp_path / "style.safetensors")
    training = load_style_checkpoint(tmp_path / "style.safetensors").training
    assert training == asdict(replace(SMALL, steps=2))


def test_the_command_adds_a_style(data_to_add, tmp_path):
    result = invoke(
        groups.add_style, data_to_add.painting, "--images", data_to_add.images,
        "--vgg", data_to_add.vgg, "--checkpoint", data_to_add.checkpoint, "--output", tmp_path,
        "--steps", 1, "--side", 32, "--margin", 4, "--style-side", 32, "--held-out", 4,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    styles = load_style_checkpoint(tmp_path / "style.safetensors").styles
    assert styles == ("red", "blue", "green")


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--strength-jitter", "1"], 2, "1.0 is not in the range 0<=x<1"),
        (["--styles", "red,green"], 1, "has no green; it has blue, red"),
        (["--style-weight", "nan"], 1, "style_weight must be a finite number from 0 up, not nan"),
        (["--device", "foo"], 1, "the device 'foo' cannot be used"),
    ],
)
def test_the_command_names_what_cannot_be_trained(options, code, message, data, tmp_path):
    result = invoke(
        groups.train, "style", "--images", data.images, "--paintings", data.paintings,
        "--vgg", data.vgg, "--output", tmp_path, *options,
    )  # fmt: skip
    assert result.exit_code == code
    assert message in result.output
