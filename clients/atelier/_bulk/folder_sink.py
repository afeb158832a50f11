"""A folder that mirrors the input."""

import os
from pathlib import Path

from atelier._atomic_write import write_whole


class FolderSink:
    """Writes each result to a file of its name below a folder. A receipt has size and name.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = os.fspath(root)

    def write(self, name: str, data: bytes) -> bytes:
        """See `Sink`."""
        path = Path(self._root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, data)
        return b"%d %s" % (len(data), os.fsencode(name))

    def holds(self, receipt: bytes) -> bool:
        """See `Sink`."""
        size, path = self._parsed(receipt)
        try:
            return os.stat(path).st_size == size  # noqa: PTH116 - of 100,000 files
        except OSError:
            return False

    def read(self, receipt: bytes) -> bytes:
        """See `Sink`."""
        return Path(self._parsed(receipt)[1]).read_bytes()

    def finish(self) -> None:
        """See `Sink`."""

    def _parsed(self, receipt: bytes) -> tuple[int, str]:
        size, _, name = receipt.partition(b" ")
        return int(size), f"{self._root}/{os.fsdecode(name)}"
