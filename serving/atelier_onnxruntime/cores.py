"""Who runs on the cores of this machine: every instance of this backend, of all models.

Two runs of one thread each finish more images on two cores than one run of two threads, which wait
for each other at every operator; but an image that is alone is finished sooner by two. So a run is
told whether it is alone.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Cores:
    """What one instance knows of the others: whether any of them is running now."""

    def __init__(self, file: str | Path = __file__) -> None:
        """Opens what all instances lock.

        Args:
            file: The same for all that share the cores. It is never written.
        """
        # The kernel lets go of a lock when its process ends, however it ends.
        self._file = os.open(file, os.O_RDONLY | os.O_CLOEXEC)

    @contextmanager
    def taken(self) -> Iterator[bool]:
        """Counts this instance as running; gives whether no other one was when it began."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            alone = True
        except OSError:
            alone = False
        # Shared, so that the next one to begin sees that it is not alone, and waits for nothing.
        fcntl.flock(self._file, fcntl.LOCK_SH)
        try:
            yield alone
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)
