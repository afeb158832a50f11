"""Folders in which one process works at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def folder_lock(folder: Path, refusal: Exception) -> Iterator[None]:
    """Keeps a folder for this process and those that it forks, until their end at the latest.

    Args:
        folder: An existing folder; nothing in it changes.
        refusal: What is raised if another process keeps it.

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
