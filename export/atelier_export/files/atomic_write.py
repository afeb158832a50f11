"""Files that are written whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Gives a path beside `path`, of the same suffix; what is written there takes its place.

    The content reaches the disk before the name does. An error on the way, or a kill, leaves what
    was there before; only a kill leaves a hidden file beside it.

    Raises:
        OSError: The file cannot be written.
    """
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
