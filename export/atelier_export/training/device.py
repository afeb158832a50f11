"""Where tensors live."""

import torch


def usable_device(name: str) -> torch.device:
    """The torch device of a name such as `cpu` or `cuda`, once it has been seen to work.

    Raises:
        ValueError: There is no such device here.
    """
    try:
        torch.zeros(1, device=name).item()
    except (AssertionError, RuntimeError) as error:
        reason = str(error).partition("\n")[0].partition(". ")[0]
        raise ValueError(f"the device {name!r} cannot be used: {reason}; take cpu") from error
    return torch.device(name)
