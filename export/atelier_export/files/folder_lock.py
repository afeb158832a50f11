"""Exclusive locks on folders."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def folder_lock(folder: Path, refusal: Exception) -> Iterator[None]:
    """Locks a folder for this process and its forks; the lock ends with them at the latest.

    Args:
        folder: An existing folder; nothing in it changes.
        refusal: Raised if another process holds the lock.

    Raises:
        OSError: The folder cannot be opened or locked.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise refusal from None
        yield
    finally:
        os.close(descriptor)
