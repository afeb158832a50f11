"""How many cores the control group of this process leaves to it.

A container or a service with a limit of two cores may run on any core of its machine, only not for
longer than two: as many threads as the machine has cores would stand still most of the time.
"""

from pathlib import Path


def core_quota(root: Path = Path("/")) -> int | None:
    """Returns the whole cores of the tightest limit, at least 1; None if there is none.

    Reads control groups of version 2, as Linux distributions and Kubernetes have them.

    Args:
        root: The root of the file system.
    """
    try:
        groups = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None
    own = next((line.removeprefix("0::/") for line in groups if line.startswith("0::/")), "")
    top = root / "sys/fs/cgroup"
    limits = []
    for group in (top / own, *(top / own).parents):
        if group.is_relative_to(top) and (group / "cpu.max").is_file():
            quota, period = (group / "cpu.max").read_text().split()
            if quota != "max":
                limits.append(max(1, int(quota) // int(period)))
    return min(limits, default=None)
