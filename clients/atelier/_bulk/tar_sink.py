"""A tar archive."""

import os
import tarfile
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_END: Final = b"\0" * 2 * tarfile.BLOCKSIZE


class TarSink:
    """Appends each result to an archive, which has its name once the run ends.

    Until then it is `NAME.partial`. What a killed run left after its last recorded result is cut
    off. An input that changed is appended again; tools take the last file of a name. A receipt has
    the offset and the size of the content.

    Args:
        path: The archive.
        receipts: Those of all results in it.
    """

    def __init__(self, path: Path, receipts: Iterable[bytes]) -> None:
        self._path = path
        self._partial = path.with_name(f"{path.name}.partial")
        self._lock = threading.Lock()
        self._file = -1
        found = self._partial if self._partial.exists() else path
        length = found.stat().st_size if found.exists() else 0
        self._end = min(length, max(map(_end_of, receipts), default=0))

    def write(self, name: str, data: bytes) -> bytes:
        """See `Sink`."""
        member = tarfile.TarInfo(name)
        member.size = len(data)
        header = member.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
        record = header + data + bytes(-len(data) % tarfile.BLOCKSIZE)
        with self._lock:
            self._open()
            start = self._end
            _write_all(self._file, record, start)
            self._end = start + len(record)
        return b"%d %d" % (start + len(header), len(data))

    def holds(self, receipt: bytes) -> bool:
        """See `Sink`."""
        return _end_of(receipt) <= self._end

    def read(self, receipt: bytes) -> bytes:
        """See `Sink`."""
        offset, size = map(int, receipt.split())
        with self._lock:
            self._open()
        data = os.pread(self._file, size, offset)
        if len(data) < size:
            raise OSError(f"{self._partial} ends within a file")
        return data

    def finish(self) -> None:
        """See `Sink`."""
        self._open()
        _write_all(self._file, _END, self._end)
        os.fsync(self._file)
        os.close(self._file)
        self._partial.replace(self._path)

    def _open(self) -> None:
        """Takes the archive up again, up to the end of its last recorded result."""
        if self._file >= 0:
            return
        if self._path.exists() and not self._partial.exists():
            self._path.replace(self._partial)
        self._file = os.open(self._partial, os.O_RDWR | os.O_CREAT, 0o666)
        os.ftruncate(self._file, self._end)


def _end_of(receipt: bytes) -> int:
    offset, size = map(int, receipt.split())
    return offset + size + -size % tarfile.BLOCKSIZE


def _write_all(file: int, data: bytes, offset: int) -> None:
    with memoryview(data) as left:
        written = 0
        while written < len(data):
            written += os.pwrite(file, left[written:], offset + written)
