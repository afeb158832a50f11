"""Which sources an argument names."""

import glob
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from atelier._bulk.archives import expanded, in_shards, in_tar
from atelier._bulk.files import (
    FileSource,
    has_image_suffix,
    in_folder,
    in_glob,
    in_list,
    lines_of,
    lines_of_file,
)
from atelier._bulk.source import Source


@dataclass(frozen=True)
class Inputs:
    """The sources of a run.

    Attributes:
        each: Lists them, one by one.
        countable: Whether they can be listed twice.
    """

    each: Callable[[], Iterator[Source]]
    countable: bool = True

    def count(self) -> int | None:
        """How many there are, or None where they can be listed but once."""
        return sum(1 for _ in self.each()) if self.countable else None


def inputs_of(text: str) -> Inputs:
    """The sources that an argument names.

    Args:
        text: A folder; a glob; a list file, of a path in each line; "-" for such a list on standard
            input; a tar; the shards of a WebDataset, as a glob or with braces; or a URL for fsspec.

    Raises:
        FileNotFoundError: There is nothing of this name.
    """
    if text == "-":
        return Inputs(lambda: in_list(lines_of(sys.stdin.fileno())), countable=False)
    if "://" in text:
        from atelier._bulk.remote import in_url

        return Inputs(lambda: in_url(text))
    if os.path.isdir(text):  # noqa: PTH112
        return Inputs(lambda: in_folder(text))
    if os.path.exists(text):  # noqa: PTH110
        return _inputs_of_file(text)
    shards = expanded(text)
    if len(shards) > 1:
        return Inputs(lambda: in_shards(shards))
    if glob.has_magic(text):
        if text.endswith(".tar"):
            return Inputs(lambda: in_shards(sorted(glob.iglob(text, recursive=True))))  # noqa: PTH207
        return Inputs(lambda: in_glob(text))
    raise FileNotFoundError(f"there is no file or folder {text!r}")


def _inputs_of_file(path: str) -> Inputs:
    if path.endswith(".tar"):
        return Inputs(lambda: in_tar(path))
    if has_image_suffix(path):
        return Inputs(lambda: iter([FileSource(os.path.basename(path), path)]))  # noqa: PTH119
    return Inputs(lambda: in_list(lines_of_file(path)))
