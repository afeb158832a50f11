import pytest
import torch

from atelier_export.training.device import usable_device


def test_the_cpu_can_be_used():
    assert usable_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["foo", "", "cpu:x", "meta"])
def test_what_is_no_device_is_refused(name):
    with pytest.raises(ValueError, match=f"the device '{name}' cannot be used: .*; use cpu"):
        usable_device(name)


def test_a_device_that_is_not_here_is_refused(monkeypatch):
    def as_torch_without_cuda(*_, device):
        raise AssertionError("Torch not compiled with CUDA enabled")

    monkeypatch.setattr(torch, "zeros", as_torch_without_cuda)
    with pytest.raises(ValueError, match="'cuda' cannot be used: Torch not compiled with CUDA"):
        usable_device("cuda")
