import pytest
import torch

from atelier_export.training.device import fast_precision, usable_device


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


@pytest.mark.parametrize(
    ("capability", "dtype"),
    [("DEFAULT", torch.float32), ("AVX2", torch.float32), ("AVX512", torch.bfloat16)],
)
def test_a_processor_computes_in_bfloat16_where_it_has_it(monkeypatch, capability, dtype):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    matrix, cpu = torch.ones(2, 2), torch.device("cpu")
    with fast_precision(cpu):
        assert (matrix @ matrix).dtype == dtype
    with fast_precision(cpu, enabled=False):
        assert (matrix @ matrix).dtype == torch.float32
