"""Whether the steps of a request find room in the shared memory between Triton and its models.

Triton answers what does not fit as a fault of its own (INTERNAL), after the work of some steps.
What cannot fit is known here already: what goes into a step and comes out of it is copied into the
memory of one of its instances, which grows as it must and never shrinks.
"""

import os
from collections.abc import Iterable
from pathlib import Path

DIRECTORY = Path("/dev/shm")  # noqa: S108 - where Linux keeps POSIX shared memory, by definition
FREE_OF_EACH = 3 * 2**20
"""What an instance's memory has room for before it grows; it begins with 4 MiB."""
MIB = 2**20


class SharedMemoryError(Exception):
    """The request needs more shared memory than the server can have."""


def check_room(*steps: int) -> None:
    """Checks that the memory of the steps can grow as much as this request needs.

    What others use meanwhile is not counted: they give it back.

    Args:
        steps: Bytes that go into each step and come out of it, together.

    Raises:
        SharedMemoryError: It cannot.
    """
    needed = sum(max(0, step - FREE_OF_EACH) for step in steps)
    if not needed:
        return
    try:
        status = os.statvfs(DIRECTORY)
        available = status.f_bavail * status.f_frsize + _grown(DIRECTORY.iterdir())
    except OSError:  # another way of sharing memory, of which Triton knows more
        return
    if needed > available:
        raise SharedMemoryError(
            f"the image needs {-(-needed // MIB)} MiB of the server's shared memory, which has "
            f"{available // MIB} MiB for it: send a smaller one or a smaller longest_side, or give "
            f"the server a larger {DIRECTORY} (in Docker by --shm-size)"
        )


def _grown(regions: Iterable[Path]) -> int:
    """What instances have beyond their beginning, and can use again."""
    grown = 0
    for region in regions:
        try:
            grown += max(0, region.stat().st_size - FREE_OF_EACH)
        except FileNotFoundError:  # its process has ended since
            continue
    return grown
