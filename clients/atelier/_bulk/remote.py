"""Sources and results behind URLs, through fsspec: s3://, gs://, memory:// and many more."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from atelier._bulk.files import has_image_suffix


@dataclass(frozen=True, slots=True)
class RemoteSource:
    """A file of a file system of fsspec."""

    name: str
    files: Any
    path: str
    facts: str

    def read(self) -> bytes:
        """See `Source`."""
        return bytes(self.files.cat_file(self.path))

    def stamp(self) -> str:
        """What the file system said of it when it was listed, such as size, time and ETag."""
        return self.facts


def in_url(url: str) -> Iterator[RemoteSource]:
    """The images below a URL, or the one that it names.

    Raises:
        OSError: There is nothing.
        ModuleNotFoundError: fsspec is missing, or what it needs for this kind of URL.
    """
    files, root = _file_system(url)
    if files.isfile(root):
        yield _source(files, os.path.basename(root), files.info(root))  # noqa: PTH119
        return
    if not files.isdir(root):
        raise FileNotFoundError(f"there is nothing at {url!r}")
    for folder, _, found in files.walk(root, detail=True):
        prefix = folder[len(root) :].strip("/")
        for name, information in found.items():
            if has_image_suffix(name):
                yield _source(files, f"{prefix}/{name}" if prefix else name, information)


def _source(files: Any, name: str, information: dict[str, Any]) -> RemoteSource:
    facts = json.dumps(information, sort_keys=True, default=str)
    return RemoteSource(name, files, information["name"], facts)


class RemoteSink:
    """Writes each result to a file of its name below a URL. A receipt has size and name.

    Object stores show a file only once it is whole. On other file systems, one that was cut off is
    in no ledger, and is written again by the next run.

    Args:
        url: Of the folder.
    """

    def __init__(self, url: str) -> None:
        self._files, self._root = _file_system(url)

    def write(self, name: str, data: bytes) -> bytes:
        """See `Sink`."""
        path = f"{self._root}/{name}"
        self._files.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH120
        self._files.pipe_file(path, data)
        return b"%d %s" % (len(data), os.fsencode(name))

    def holds(self, receipt: bytes) -> bool:
        """See `Sink`."""
        size, path = self._parsed(receipt)
        try:
            return bool(self._files.size(path) == size)
        except OSError:
            return False

    def read(self, receipt: bytes) -> bytes:
        """See `Sink`."""
        return bytes(self._files.cat_file(self._parsed(receipt)[1]))

    def finish(self) -> None:
        """See `Sink`."""

    def _parsed(self, receipt: bytes) -> tuple[int, str]:
        size, _, name = receipt.partition(b" ")
        return int(size), f"{self._root}/{os.fsdecode(name)}"


def _file_system(url: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs

    files, root = url_to_fs(url)
    return files, root.rstrip("/")
