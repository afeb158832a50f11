"""Sources in tar archives: one, or the shards of a WebDataset."""

import os
import re
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from atelier._bulk.files import has_image_suffix
from atelier._bulk.source import stamp_of

_BRACES = re.compile(r"\{(?:(\d+)\.\.(\d+)|([^{}]*,[^{}]*))\}")


@dataclass(frozen=True, slots=True)
class MemberSource:
    """A file in an archive that is not compressed, read where it lies."""

    name: str
    archive: str
    offset: int
    size: int

    def read(self) -> bytes:
        """See `Source`."""
        with open(self.archive, "rb") as file:  # noqa: PTH123 - a name need not be UTF-8
            file.seek(self.offset)
            data = file.read(self.size)
        if len(data) < self.size:
            raise OSError(f"the archive {self.archive!r} ends within it")
        return data

    def stamp(self) -> str:
        """The archive's, and the place in it."""
        found = os.stat(self.archive)  # noqa: PTH116
        return stamp_of(found.st_ino, found.st_mtime_ns, found.st_ctime_ns, self.offset, self.size)


def in_tar(archive: str, prefix: str = "") -> Iterator[MemberSource]:
    """The images in an archive, in its order.

    Args:
        archive: Its path; it is not compressed.
        prefix: Begins the names of the sources.

    Raises:
        OSError: The archive cannot be read, or is none.
    """
    try:
        with tarfile.open(archive, "r:") as members:
            while (member := members.next()) is not None:
                if member.isreg() and has_image_suffix(member.name):
                    name = os.path.normpath(f"/{prefix}/{member.name}").lstrip("/")
                    yield MemberSource(name, archive, member.offset_data, member.size)
                members.members.clear()  # type: ignore[attr-defined]  # It would hold them all.
    except tarfile.TarError as error:
        raise OSError(
            f"{archive!r} is no tar without compression ({error}); decompress it first"
        ) from error


def in_shards(archives: Iterable[str]) -> Iterator[MemberSource]:
    """The images in several archives; names begin with their archive's, without its suffix."""
    for archive in archives:
        yield from in_tar(archive, Path(archive).stem)


def expanded(pattern: str) -> list[str]:
    """The names that braces stand for: "{000..012}", zeros included, and "{train,test}"."""
    found = _BRACES.search(pattern)
    if found is None:
        return [pattern]
    first, last, names = found.groups()
    if names is None:
        choices = [f"{i:0{len(first)}}" for i in range(int(first), int(last) + 1)]
    else:
        choices = names.split(",")
    before, after = pattern[: found.start()], pattern[found.end() :]
    return [each for choice in choices for each in expanded(before + choice + after)]
