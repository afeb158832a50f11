import math
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from atelier_export.exclusive import exclusive
from atelier_export.losses import perceptual_loss_of
from atelier_export.manifest import sha256
from atelier_export.pictures import find_pictures
from atelier_export.style.checkpoint import load_style_checkpoint
from atelier_export.style.network import StyleNetwork
from atelier_export.style.networks import style_network_config
from atelier_export.style.settings import StyleTraining, split
from atelier_export.style.train import Inputs, Machine, _Objective, add_style, train_style
from atelier_export.train_commands import train

SMALL = StyleTraining(steps=20, side=32, margin=4, crops=10, style_side=32, held_out=4)
EVERY_STEP = Machine(log_every=1, save_every=1)

# Run in processes of their own, so that they can be killed, and can fork workers.
_IMPORTS = """
import logging, os, signal, sys
from pathlib import Path
from test_train import SMALL
from atelier_export.style.train import Inputs, Machine, add_style, train_style
"""
_TRAIN = """
photographs, red, blue, vgg, output = map(Path, sys.argv[1:])
train_style(Inputs(photographs, [red, blue], vgg), output, SMALL, machine)
"""
_ADD = """
photographs, green, vgg, checkpoint, output = map(Path, sys.argv[1:])
add_style(checkpoint, Inputs(photographs, [green], vgg), output, SMALL, machine)
"""
_WITH_A_WORKER = """
machine = Machine(workers=1)
"""
# Killed when it reports the fifth step, whose state it does not save.
_KILLED_ON_THE_WAY = """
class Kill(logging.Handler):
    def emit(self, record):
        if record.getMessage().startswith("step 5/"):
            os.kill(os.getpid(), signal.SIGKILL)

logging.basicConfig(level="INFO", handlers=[Kill()])
machine = Machine(log_every=1, save_every=2)
"""


@pytest.fixture(scope="module")
def inputs(photographs, paintings, vgg_file) -> Inputs:
    return Inputs(photographs, paintings, vgg_file)


@pytest.fixture(scope="module")
def trained(inputs, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("run")
    train_style(inputs, output, SMALL, Machine(sample_every=10))
    return output


@pytest.fixture(scope="module")
def inputs_to_add(inputs, tmp_path_factory) -> Inputs:
    painting = tmp_path_factory.mktemp("green") / "green.png"
    Image.effect_noise((50, 60), 80).convert("RGB").save(painting)
    return replace(inputs, paintings=[painting])


@pytest.fixture(scope="module")
def added(trained, inputs_to_add, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("added")
    settings = replace(SMALL, network="johnson")  # which the checkpoint overrules
    return add_style(trained / "style.safetensors", inputs_to_add, output, settings)


def run_apart(program: str, *arguments: Path) -> int:
    command = [sys.executable, "-c", _IMPORTS + program, *arguments]
    return subprocess.run(command, cwd=Path(__file__).parent, check=False).returncode


def kill_on_the_way(program: str, *arguments: Path) -> None:
    """Leaves what a training had saved when it was killed in the folder of the last argument."""
    output = arguments[-1]
    assert run_apart(_KILLED_ON_THE_WAY + program, *arguments) == -signal.SIGKILL
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
    assert (trained / "samples-000010.jpg").stat().st_size > 0
    assert (trained / "samples-000020.jpg").stat().st_size > 0


def test_a_training_lowers_the_loss(inputs, tmp_path):
    settings = replace(SMALL, steps=40, learning_rate=1e-2)
    train_style(inputs, tmp_path, settings, Machine(log_every=1))
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
    kill_on_the_way(_TRAIN, inputs.photographs, *inputs.paintings, inputs.vgg, tmp_path)
    resumed = train_style(inputs, tmp_path, SMALL)
    assert_equal_weights(resumed, trained / "style.safetensors")


def test_a_worker_changes_nothing(trained, inputs, tmp_path):
    arguments = inputs.photographs, *inputs.paintings, inputs.vgg, tmp_path
    assert run_apart(_WITH_A_WORKER + _TRAIN, *arguments) == 0
    assert_equal_weights(tmp_path / "style.safetensors", trained / "style.safetensors")


def test_a_training_can_be_made_longer_and_not_shorter(inputs, tmp_path):
    train_style(inputs, tmp_path, replace(SMALL, steps=2), EVERY_STEP)
    longer = replace(SMALL, steps=4)
    result = train_style(inputs, tmp_path, longer, EVERY_STEP)
    assert load_style_checkpoint(result).training["steps"] == 4
    history = torch.load(tmp_path / "state.pt", weights_only=True)["history"]
    assert [entry["step"] for entry in history] == [1, 2, 3, 4]
    with pytest.raises(ValueError, match="holds 4 steps already; give --steps 4 or more"):
        train_style(inputs, tmp_path, replace(SMALL, steps=3))
    assert load_style_checkpoint(result).training["steps"] == 4


def test_a_training_that_diverges_keeps_its_last_good_state(inputs, tmp_path):
    with pytest.raises(ValueError, match=r"the loss is nan .* at step 2; choose smaller weights"):
        train_style(inputs, tmp_path, replace(SMALL, learning_rate=1e30), EVERY_STEP)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert state["step"] == 1
    assert all(value.isfinite().all() for value in state["network"].values())
    assert not (tmp_path / "style.safetensors").exists()


def test_a_loss_without_bounds_ends_the_training_at_the_latest_before_it_is_saved(inputs, tmp_path):
    settings = replace(SMALL, steps=2, style_weight=3e38)
    with pytest.raises(ValueError, match=r"the loss is (inf|nan) .* at step 2"):
        train_style(inputs, tmp_path, settings, Machine(log_every=100))
    assert not list(tmp_path.iterdir())


def test_two_trainings_in_one_folder_exclude_each_other(inputs, tmp_path):
    with (
        exclusive(tmp_path, KeyError()),
        pytest.raises(ValueError, match=f"another training is running in {tmp_path}"),
    ):
        train_style(inputs, tmp_path, SMALL)
    assert not list(tmp_path.iterdir())


def test_the_calm_may_have_no_weight(inputs, tmp_path):
    settings = replace(SMALL, steps=2, calm_weight=0, varied=0)
    train_style(inputs, tmp_path, settings, EVERY_STEP)
    history = torch.load(tmp_path / "state.pt", weights_only=True)["history"]
    assert [entry["calm"] for entry in history] == [0, 0]


def test_the_calm_told_is_that_of_the_first_picture(inputs):
    settings = replace(SMALL, batch=3, varied=0.5)
    network = StyleNetwork(style_network_config(settings.network, 2))
    perceptual_loss = perceptual_loss_of(inputs.paintings, inputs.vgg, settings.style_side)
    objective = _Objective(network, perceptual_loss, 2, settings)
    side = settings.side + 2 * settings.margin + settings.farthest_move
    seen = set()
    for step in range(8):
        loss, terms = objective(step, [0, 1, 2], torch.rand(3, 3, side, side))
        content, calm = terms.isnan()[:, 0], terms.isnan()[:, 3]
        assert loss.isfinite()
        assert calm.tolist() == [content[0], True, True]
        seen.add(tuple(content.tolist()))
    assert len(seen) > 2


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
        ({"steps": 0}, "steps must be a finite number from 1 up, not 0"),
        ({"style_weight": math.nan}, "style_weight must be a finite number from 0 up, not nan"),
        ({"calm_weight": -1}, "calm_weight must be a finite number from 0 up, not -1"),
        ({"learning_rate": math.inf}, "learning_rate must be a finite number from 0 up, not inf"),
        ({"varied": 1}, "varied must be less than 1, not 1"),
    ],
)
def test_what_cannot_be_trained_is_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        StyleTraining(**setting)


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


def test_a_killed_training_of_another_style_goes_on_as_if_nothing_had_happened(
    trained, added, inputs_to_add, tmp_path
):
    base, inputs = trained / "style.safetensors", inputs_to_add
    kill_on_the_way(_ADD, inputs.photographs, *inputs.paintings, inputs.vgg, base, tmp_path)
    resumed = add_style(base, inputs, tmp_path, SMALL)
    assert_equal_weights(resumed, added)
    after = load_style_checkpoint(resumed).network.state_dict()
    for name, value in load_style_checkpoint(base).network.state_dict().items():
        assert torch.equal(after[name][: len(value)], value)


def test_the_network_that_is_widened_is_not_overwritten(trained, inputs_to_add):
    base = trained / "style.safetensors"
    before = base.read_bytes()
    with pytest.raises(ValueError, match="would be overwritten; choose another output folder"):
        add_style(base, inputs_to_add, trained, SMALL)
    assert base.read_bytes() == before


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


@pytest.fixture
def command(photographs, vgg_file, tmp_path):
    def run(*options: object) -> Result:
        inputs = ["--photographs", photographs, "--vgg", vgg_file, "--output", tmp_path / "run"]
        return CliRunner().invoke(train, ["style", *map(str, (*inputs, *options))])

    return run


@pytest.fixture
def calls(monkeypatch) -> list[tuple]:
    """What the command calls in place of a training."""
    calls = []
    for name in ("train_style", "add_style"):
        monkeypatch.setattr(
            f"atelier_export.style.train.{name}",
            lambda *arguments, name=name: calls.append((name, *arguments)) or Path("trained"),
        )
    return calls


def test_the_command_trains_a_network(command, calls, photographs, paintings, vgg_file, tmp_path):
    red, blue = paintings
    assert command("--paintings", red.parent).output == "trained\n"
    inputs = Inputs(photographs, [blue, red], vgg_file)
    assert StyleTraining().steps == 12000
    assert calls.pop() == ("train_style", inputs, tmp_path / "run", StyleTraining(), Machine())
    result = command(
        "--paintings", red.parent, "--styles", "red,blue", "--network", "quarter", "--steps", 7,
        "--batch", 3, "--side", 64, "--crops", 5, "--style-weight", 1, "--calm-weight", 0,
        "--varied", 0.5, "--seed", 4, "--device", "cuda", "--workers", 2,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    settings = StyleTraining(
        network="quarter", steps=7, batch=3, side=64, crops=5, style_weight=1, calm_weight=0,
        varied=0.5, seed=4,
    )  # fmt: skip
    inputs = Inputs(photographs, [red, blue], vgg_file)
    assert calls == [("train_style", inputs, tmp_path / "run", settings, Machine("cuda", 2))]


def test_the_command_adds_a_style(command, calls, photographs, paintings, vgg_file, tmp_path):
    assert command("--add", paintings[0]).output == "trained\n"
    command("--add", paintings[0], "--checkpoint", "other", "--steps", 7)
    inputs = Inputs(photographs, paintings[:1], vgg_file)
    published = Path("export/checkpoints/style/style.safetensors")
    assert calls == [
        ("add_style", checkpoint, inputs, tmp_path / "run", StyleTraining(steps=steps), Machine())
        for checkpoint, steps in ((published, 1000), (Path("other"), 7))
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "give either --paintings for a new network or --add"),
        (["--paintings", ".", "--add", __file__], "give either --paintings"),
        (["--add", __file__, "--network", "eighth"], "--network has no effect with --add"),
        (["--add", __file__, "--styles", "red"], "--styles has no effect with --add"),
        (["--paintings", ".", "--checkpoint", "a"], "--checkpoint has no effect with --paintings"),
        (["--paintings", ".", "--varied", "1"], "1.0 is not in the range 0<=x<1"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message, command, calls):
    result = command(*options)
    assert result.exit_code == 2
    assert message in result.output
    assert not calls


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--styles", "red,green"], "has no green; it has blue, red"),
        (["--style-weight", "nan"], "style_weight must be a finite number from 0 up, not nan"),
        (["--device", "foo"], "the device 'foo' cannot be used"),
    ],
)
def test_the_command_names_what_cannot_be_trained(options, message, command, paintings):
    result = command("--paintings", paintings[0].parent, *options)
    assert result.exit_code == 1
    assert message in result.output
