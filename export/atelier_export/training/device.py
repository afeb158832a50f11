"""Torch devices, and the precision that each is fast in."""

import torch


def fast_precision(device: torch.device, *, enabled: bool = True) -> torch.autocast:
    """Convolutions and products in bfloat16, where the device computes in it.

    A processor without AVX-512 has to imitate it, and takes three times as long as in float32.

    Args:
        device: Where the tensors are.
        enabled: False for float32 everywhere.
    """
    has = device.type != "cpu" or torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled and has)


def usable_device(name: str) -> torch.device:
    """The torch device called `name`, such as `cpu` or `cuda`, after a trial of it.

    Raises:
        ValueError: This machine has no such device.
    """
    try:
        torch.zeros(1, device=name).item()
    except (AssertionError, RuntimeError) as error:
        reason = str(error).partition("\n")[0].partition(". ")[0]
        raise ValueError(f"the device {name!r} cannot be used: {reason}; use cpu") from error
    return torch.device(name)
