"""What a server's processes hold, and whether it grows."""

import contextlib
import os
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")
MIB = 2**20
PARTS = 4
"""The first of so many parts of the samples is held against the last."""


@dataclass(frozen=True)
class Sample:
    """What this process and all that it started hold.

    Attributes:
        memory_mib: Resident memory, what several share counted once.
        shared_memory_mib: Files in /dev/shm.
        threads: Of all processes.
        files: Open files of all processes.
        processes: How many there are.
    """

    memory_mib: float
    shared_memory_mib: float
    threads: int
    files: int
    processes: int

    def as_dict(self) -> dict[str, float]:
        return {name: round(value, 1) for name, value in asdict(self).items()}


# How much more there may be at the end: a share, and beside it an amount.
ALLOWED = {
    "memory_mib": (0.05, 30.0),
    "shared_memory_mib": (0.1, 16.0),
    "threads": (0.0, 10.0),
    "files": (0.0, 20.0),
    "processes": (0.0, 0.0),
}


def sample() -> Sample:
    memory = threads = files = 0
    processes = _family()
    for process in processes:
        with contextlib.suppress(OSError):
            folder = Path(f"/proc/{process}")
            rollup = (folder / "smaps_rollup").read_text().split()
            memory += int(rollup[rollup.index("Pss:") + 1])
            threads += len(list((folder / "task").iterdir()))
            files += len(list((folder / "fd").iterdir()))
    shared = 0
    for file in SHARED_MEMORY.glob(f"atelier_{os.getpid()}_*"):
        with contextlib.suppress(FileNotFoundError):
            shared += file.stat().st_blocks * 512
    return Sample(memory / 1024, shared / MIB, threads, files, len(processes))


def growth(samples: Sequence[Sample]) -> list[str]:
    """What grew by more than is allowed, in sentences; the medians of two parts are compared."""
    part = len(samples) // PARTS
    if not part:
        return [f"{len(samples)} samples are too few to tell whether anything grew"]
    grown = []
    for field in fields(Sample):
        values = [getattr(each, field.name) for each in samples]
        first, last = statistics.median(values[:part]), statistics.median(values[-part:])
        share, amount = ALLOWED[field.name]
        if last > first * (1 + share) + amount:
            grown.append(f"{field.name} grew from {first:.1f} to {last:.1f}")
    return grown


def _family() -> list[int]:
    """This process and its descendants."""
    parents = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(file.parent.name)] = int(file.read_text().rpartition(") ")[2].split()[1])
    family = [os.getpid()]
    for member in family:
        family += [process for process, parent in parents.items() if parent == member]
    return family
