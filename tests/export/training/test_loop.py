import pytest
import torch
from PIL import Image
from torch import nn

from atelier_export.files.folder_lock import folder_lock
from atelier_export.settings import RunSettings
from atelier_export.training.loop import Update, run_training
from atelier_export.training.moving_average import moving_average


class TwoNetworks:
    """Two networks with an optimizer each, an average, and noise that the step decides."""

    def __init__(self, steps: int = 6, fatal_step: int = -1, **settings: float) -> None:
        torch.manual_seed(0)
        one, two = nn.Linear(2, 2), nn.Linear(2, 2)
        self.steps = steps
        self.made_from = {"steps": steps, **settings}
        self.average = moving_average(one, 0.9)
        self.networks = (one, two)
        self.optimizers = tuple(torch.optim.Adam(each.parameters(), 0.1) for each in (one, two))
        self.parts = {
            "one": one, "two": two, "average": self.average,
            "optimizer_one": self.optimizers[0], "optimizer_two": self.optimizers[1],
        }  # fmt: skip
        self.fatal_step = fatal_step
        self.started: list[int] = []

    def start(self, step: int) -> None:
        self.started.append(step)

    def update(self, step: int) -> Update:
        if step == self.fatal_step:
            raise KeyboardInterrupt
        x = torch.randn(4, 2, generator=torch.Generator().manual_seed(step))
        losses = [network(x).square().mean(dim=1) for network in self.networks]
        for loss, optimizer in zip(losses, self.optimizers, strict=True):
            optimizer.zero_grad()
            loss.mean().backward()
            optimizer.step()
        self.average.update_parameters(self.networks[0])
        second = losses[1].masked_fill(torch.tensor([True, False, False, False]), torch.nan)
        terms = {"first": losses[0]} | ({} if step % 2 else {"second": second})
        return Update(terms, {"loss": losses[0].mean()})

    def samples(self) -> Image.Image:
        return Image.new("RGB", (4, 4))


def saved(folder) -> dict:
    return torch.load(folder / "state.pt", weights_only=True)


def run_in(folder, **settings: int) -> RunSettings:
    return RunSettings(folder, **{"log_every": 1, "save_every": 3, "sample_every": 4, **settings})


def test_a_run_leaves_state_curves_and_samples(tmp_path, caplog):
    caplog.set_level("INFO")
    run_training(TwoNetworks(), run_in(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "loss.png", "samples-000004.jpg", "samples-000006.jpg", "state.pt",
    ]  # fmt: skip
    history = saved(tmp_path)["history"]
    assert [entry["step"] for entry in history] == [1, 2, 3, 4, 5, 6]
    assert history[0].keys() == {"step", "first", "second"}
    assert history[1].keys() == {"step", "first"}
    assert history[0]["second"] > 0  # the mean leaves nan out
    assert "step 3/6  first " in caplog.text


def test_a_report_gives_means_since_the_one_before(tmp_path):
    run_training(TwoNetworks(), run_in(tmp_path / "each"))
    run_training(TwoNetworks(), run_in(tmp_path / "third", log_every=3))
    each, third = saved(tmp_path / "each")["history"], saved(tmp_path / "third")["history"]
    mean = sum(entry["first"] for entry in each[:3]) / 3
    assert third[0]["first"] == pytest.approx(mean)


def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(tmp_path):
    run_training(TwoNetworks(), run_in(tmp_path / "whole"))
    with pytest.raises(KeyboardInterrupt):
        run_training(TwoNetworks(fatal_step=4), run_in(tmp_path / "parts", save_every=3))
    assert saved(tmp_path / "parts")["step"] == 3
    second = TwoNetworks()
    run_training(second, run_in(tmp_path / "parts"))
    assert second.started == [3]
    whole, parts = saved(tmp_path / "whole")["parts"], saved(tmp_path / "parts")["parts"]
    for name in ("one", "two"):
        for key, value in whole[name].items():
            assert torch.equal(value, parts[name][key])
    for key, value in whole["average"].items():
        assert torch.equal(value, parts["average"][key])


def test_a_run_that_is_done_is_not_done_again(tmp_path):
    run_training(TwoNetworks(), run_in(tmp_path))
    again = TwoNetworks()
    run_training(again, run_in(tmp_path))
    assert not again.started
    assert torch.equal(again.networks[0].weight, saved(tmp_path)["parts"]["one"]["weight"])


def test_a_run_can_be_made_longer_and_not_shorter(tmp_path):
    run_training(TwoNetworks(2), run_in(tmp_path))
    run_training(TwoNetworks(3), run_in(tmp_path))
    with pytest.raises(ValueError, match="holds 3 steps already; give --steps 3 or more"):
        run_training(TwoNetworks(2), run_in(tmp_path))


def test_other_settings_do_not_go_on(tmp_path):
    run_training(TwoNetworks(rate=1.0), run_in(tmp_path))
    with pytest.raises(ValueError, match=r"other settings: rate 1\.0"):
        run_training(TwoNetworks(rate=2.0), run_in(tmp_path))


def test_what_is_not_finite_ends_the_run_before_it_is_saved(tmp_path):
    class Diverging(TwoNetworks):
        def update(self, step: int) -> Update:
            update = super().update(step)
            loss = torch.tensor(torch.nan if step == 2 else 1.0)
            return Update(update.terms, {"loss": loss, "gradient": torch.tensor(1.0)})

    with pytest.raises(
        ValueError, match="the loss is nan, the gradient is 1 at step 3; choose smaller"
    ):
        run_training(Diverging(), run_in(tmp_path, save_every=1))
    assert saved(tmp_path)["step"] == 2


def test_two_runs_in_one_folder_exclude_each_other(tmp_path):
    with (
        folder_lock(tmp_path, KeyError()),
        pytest.raises(ValueError, match=f"another training is running in {tmp_path}"),
    ):
        run_training(TwoNetworks(), run_in(tmp_path))
    assert not list(tmp_path.iterdir())


def test_the_average_follows_the_weights():
    network = nn.BatchNorm1d(2)
    average = moving_average(network, 0.5)
    average.update_parameters(network)
    with torch.no_grad():
        network.weight.fill_(11.0)
        network.running_mean.fill_(4.0)
    average.update_parameters(network)
    assert average.module.weight.tolist() == [6.0, 6.0]
    assert average.module.running_mean.tolist() == [2.0, 2.0]
    for _ in range(40):
        average.update_parameters(network)
    assert average.module.weight.tolist() == pytest.approx([11.0, 11.0])
