"""How much shared memory the models of a server may come to need, and how much there is."""

import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

DIRECTORY = Path("/dev/shm")  # noqa: S108 - where Linux keeps POSIX shared memory, by definition
PARAMETER = "max_shared_memory_bytes"
"""The parameter of a model's configuration that says what the memory of one of its instances grows
to with the largest request, in bytes. Models without it are not counted."""
MIB = 2**20
STEP_MIB = 256

Config = Mapping[str, Any]


def shortage(configs: Iterable[Config], beginning: int) -> str | None:
    """Says what is missing once every model is loaded.

    Args:
        configs: The configurations of the models as they are served.
        beginning: What each instance's memory has already, in bytes.

    Returns:
        A sentence, or None if the largest requests fit into every instance at once.
    """
    needed = sum(
        _instances(config) * max(0, int(largest) - beginning)
        for config in configs
        if (largest := config["parameters"].get(PARAMETER, {}).get("string_value", "")).isdecimal()
    )
    status = os.statvfs(DIRECTORY)
    free = status.f_bavail * status.f_frsize
    if needed <= free:
        return None
    size = status.f_blocks * status.f_frsize
    wanted = math.ceil((size - free + needed) / MIB / STEP_MIB) * STEP_MIB
    return (
        f"warning: {DIRECTORY} has {free // MIB} MiB left of {size // MIB} MiB, and the largest "
        f"requests to these models may need {math.ceil(needed / MIB)} MiB more: those that do not "
        f"fit are refused; give it {wanted} MiB (docker run --shm-size={wanted}m)"
    )


def _instances(config: Config) -> int:
    return sum(
        int(group.get("count", 1)) * max(1, len(group.get("gpus", ())))
        for group in config.get("instance_group", ())
    )
