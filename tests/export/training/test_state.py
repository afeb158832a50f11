import io
from typing import Any

import pytest
import torch
from torch import nn

from atelier_export.training.state import TrainingState


def state(**settings: Any) -> TrainingState:
    network = nn.Linear(2, 2)
    optimizer = torch.optim.Adam(network.parameters())
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
    parts = {"network": network, "optimizer": optimizer, "schedule": schedule}
    return TrainingState(parts, settings)


def saved(content: object) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def test_without_a_file_it_starts_at_the_beginning(tmp_path):
    begun = state()
    begun.load(tmp_path / "state.pt")
    assert (begun.step, begun.history) == (0, [])


def test_what_was_saved_comes_back(tmp_path):
    path = tmp_path / "state.pt"
    before = state(weight=1.0, steps=5)
    before.step, before.history = 3, [{"step": 3, "loss": 0.5}]
    before.save(path)
    after = state(weight=1.0, steps=9)
    after.load(path)
    assert (after.step, after.history) == (before.step, before.history)
    assert [file.name for file in tmp_path.iterdir()] == ["state.pt"]
    with pytest.raises(ValueError, match=r"holds a training with other settings: weight 1\.0; use"):
        state(weight=2.0, steps=5).load(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no state",
        bytes(500),
        saved([1]),
        saved({"settings": 3}),
        saved({"settings": {}}),
        saved({"settings": {}, "parts": {"network": {}, "optimizer": {}, "schedule": {}}}),
    ],
)
def test_what_is_no_state_is_refused(content, tmp_path):
    path = tmp_path / "state.pt"
    path.write_bytes(content)
    with pytest.raises(
        ValueError, match=r"state\.pt is damaged or not a state of this training; delete it"
    ):
        state().load(path)


def test_a_state_that_was_cut_short_is_refused(tmp_path):
    path = tmp_path / "state.pt"
    state().save(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(
        ValueError, match=r"state\.pt is damaged or not a state of this training; delete it"
    ):
        state().load(path)
