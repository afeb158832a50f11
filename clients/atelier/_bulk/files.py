"""Sources that are files: of a folder, a glob, or a list."""

import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

from atelier._bulk.source import stamp_of

IMAGE_SUFFIXES: Final = frozenset(
    [
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"),
        *(".avif", ".heic", ".heif"),
    ]
)
"""Of the files in a folder, an archive or a bucket, those with other suffixes are not looked at."""

_CHUNK: Final = 65536


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file on this machine."""

    name: str
    path: str

    def read(self) -> bytes:
        """See `Source`."""
        with open(self.path, "rb") as file:  # noqa: PTH123 - a name need not be UTF-8
            return file.read()

    def stamp(self) -> str:
        """The file's identity, size and times; no write leaves its change time as it was."""
        found = os.stat(self.path)  # noqa: PTH116 - a Path for each of 100,000 files costs more
        return stamp_of(found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


@dataclass(frozen=True, slots=True)
class UnlistedFolder:
    """A folder whose files cannot be listed, in their place."""

    name: str
    error: OSError

    def read(self) -> bytes:
        """See `Source`."""
        raise self.error

    def stamp(self) -> None:
        """See `Source`."""


def has_image_suffix(name: str) -> bool:
    """Whether a file of this name is taken for an image."""
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122


def in_folder(root: str) -> Iterator[FileSource | UnlistedFolder]:
    """The images in a folder and the folders in it, in the order of the file system.

    Links are followed; a folder that is reached again inside itself is left out.
    """
    yield from _walk(root, "", frozenset())


def _walk(
    folder: str, prefix: str, above: frozenset[tuple[int, int]]
) -> Iterator[FileSource | UnlistedFolder]:
    try:
        status = os.stat(folder)  # noqa: PTH116
        identity = (status.st_dev, status.st_ino)
        if identity in above:
            return
        entries = os.scandir(folder)
    except OSError as error:
        yield UnlistedFolder(prefix, error)
        return
    with entries:
        for entry in entries:
            if _is_folder(entry):
                yield from _walk(entry.path, f"{prefix}{entry.name}/", above | {identity})
            elif has_image_suffix(entry.name):
                yield FileSource(prefix + entry.name, entry.path)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # A link to itself.
        return False


def in_glob(pattern: str) -> Iterator[FileSource]:
    """The files that a pattern names; `**` stands for folders. Names begin after its fixed part."""
    fixed = []
    for part in PurePath(pattern).parts:
        if glob.has_magic(part):
            break
        fixed.append(part)
    root = os.path.join(*fixed) if fixed else ""  # noqa: PTH118
    for path in glob.iglob(pattern, recursive=True):  # noqa: PTH207
        if not os.path.isdir(path):  # noqa: PTH112
            yield FileSource(os.path.relpath(path, root or "."), path)


def in_list(lines: Iterable[bytes]) -> Iterator[FileSource]:
    """The files that lines name; empty lines are left out.

    An output is named like its line. An absolute path, or one that leads out of the current
    directory, becomes its absolute path without the first "/".
    """
    for line in lines:
        path = os.fsdecode(line)
        if path:
            name = os.path.normpath(path)
            if name.startswith(("/", "..")):
                name = os.path.abspath(path).lstrip("/")  # noqa: PTH100
            yield FileSource(name, path)


def lines_of(descriptor: int) -> Iterator[bytes]:
    """The lines of an open file, or what zero bytes end if there is one in the first 64 KiB."""
    rest = os.read(descriptor, _CHUNK)
    end = b"\0" if b"\0" in rest else b"\n"
    chunk = rest
    while chunk:
        *lines, rest = rest.split(end)
        yield from lines
        chunk = os.read(descriptor, _CHUNK)
        rest += chunk
    yield rest


def lines_of_file(path: str) -> Iterator[bytes]:
    """The lines of a file, see `lines_of`."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield from lines_of(descriptor)
    finally:
        os.close(descriptor)
