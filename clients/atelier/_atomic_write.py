"""Files written whole or not at all."""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Writes `data` to `path`. Who looks meanwhile sees the old file or the new, never a part.

    Raises:
        OSError: It cannot be written; `filename` is `path`.
    """
    if path.exists() and not path.is_file():
        # A device or a pipe: a file put in its place would not be what was asked for.
        try:
            path.write_bytes(data)
        except OSError as error:
            raise _about(path, error) from error
        return
    with written_whole(path) as partial, partial.open("xb") as file:
        file.write(data)


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yields a path beside `path`, for a file that takes its place at the end of the block.

    A link is followed, and the file that it leads to replaced. Permissions and, where this process
    may give them away, owner and group stay as they were.

    Raises:
        OSError: It cannot be written; `filename` is `path`.
    """
    before = _status(path)
    place = Path(os.path.realpath(path))
    # Its length has nothing to do with that of `path`, which may be the longest there can be.
    partial = place.with_name(f".{secrets.token_hex(8)}.partial")
    try:
        yield partial
        with partial.open("rb") as file:
            if before:
                with suppress(PermissionError):
                    os.chown(file.fileno(), before.st_uid, before.st_gid)
                with suppress(PermissionError):  # On a file system without them.
                    os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode))
            os.fsync(file.fileno())
        partial.replace(place)
    except OSError as error:
        if error.filename in (None, str(partial)):
            raise _about(path, error) from error
        raise
    finally:
        partial.unlink(missing_ok=True)


def _about(path: Path, error: OSError) -> OSError:
    """The error of `path`: nobody knows its partial file, and a full disk names no file at all."""
    return OSError(error.errno, error.strerror, str(path)) if error.errno else error


def _status(path: Path) -> os.stat_result | None:
    """What `path` leads to, or None where that is still to be made."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None
