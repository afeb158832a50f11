"""Files written whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Writes `data` to `path`. Who looks meanwhile sees the old file or the new, never a part."""
    if path.exists() and not path.is_file():
        # A device or a pipe: a file put in its place would not be what was asked for.
        path.write_bytes(data)
        return
    with written_whole(path) as partial, partial.open("xb") as file:
        file.write(data)


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yields a path beside `path`, for a file that takes its place at the end of the block."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
