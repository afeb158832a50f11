"""Torch devices."""

import torch


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
