"""Publishing into a Triton model repository: a model's folder changes as a whole or not at all.

A new version and the configuration that belongs to it must appear together, so the model's whole
new folder is built first and then swapped with the old one in a single step of the file system.
It is built beside the repository, since Triton takes every folder in it for a model. Whatever
kills the export, the repository holds the old folder or the new one.
"""

import ctypes
import errno
import os
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from atelier_export.exclusive import exclusive
from atelier_export.manifest import Manifest

CONFIG = "config.pbtxt"
MANIFEST = "manifest.json"

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


class PublishError(Exception):
    """The repository cannot take the model; nothing in it was changed."""


@dataclass(frozen=True)
class Publication:
    """Where a model was published.

    Attributes:
        folder: The folder of the version.
        version: Its number.
        is_new: False if the repository served exactly this before, and nothing was changed.
    """

    folder: Path
    version: int
    is_new: bool


class RepositoryWriter:
    """The right to publish into one repository, for one process at a time.

    ```python
    with RepositoryWriter(Path("model_repository")) as writer:
        writer.publish("style", config, {"model.onnx": graph}, manifest)
    ```

    Entering creates the repository where there is none, and removes what a killed export left
    beside it.

    Raises:
        PublishError: On entering, if another process is publishing, or if the file system does not
            allow it.
    """

    def __init__(self, repository: Path) -> None:
        self._repository = repository.resolve()
        self._staging = self._repository.with_name(f".{self._repository.name}.staging")

    def __enter__(self) -> Self:
        """Locks the repository; the lock ends with the process at the latest."""
        self._repository.mkdir(parents=True, exist_ok=True)
        if self._repository.stat().st_dev != self._repository.parent.stat().st_dev:
            raise PublishError(
                f"{self._repository} is the root of a file system, so that nothing can be swapped "
                "into it in one step; export into a folder below it or elsewhere, then copy"
            )
        refusal = PublishError(
            f"another export is publishing into {self._repository}; try again when it is done"
        )
        with ExitStack() as held:
            held.enter_context(exclusive(self._repository, refusal))
            self._clear_staging()
            self._held = held.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Gives the repository back to others."""
        with self._held:
            self._clear_staging()

    def publish(
        self,
        model: str,
        config: str,
        files: Mapping[str, bytes],
        manifest: Manifest,
        version: int | None = None,
    ) -> Publication:
        """Adds a version to a model, and makes the configuration the model's.

        Older versions stay as they are. If the newest version is this one already (the same
        files, configuration and provenance), nothing changes.

        Args:
            model: The model's name.
            config: The text of its config.pbtxt.
            files: What the version's folder holds beside the manifest, by file name.
            manifest: Where the files come from.
            version: The version's number; without it, the one after the newest.

        Raises:
            PublishError: The number is taken, or is not the newest, which is what Triton serves;
                or the file system cannot swap folders.
        """
        folder = self._repository / model
        newest = max(versions(folder), default=0)
        if version in (None, newest) and _is_same(folder, newest, config, files, manifest):
            return Publication(folder / str(newest), newest, is_new=False)
        if version is None:
            version = newest + 1
        elif version <= newest:
            raise PublishError(
                f"version {version} of {model} cannot be published: the newest is {newest}, "
                f"versions are never changed, and Triton serves the newest; take {newest + 1}"
            )
        staged = self._staging / model
        if folder.exists():
            shutil.copytree(folder, staged, symlinks=True, copy_function=_link_or_copy)
            (staged / CONFIG).unlink(missing_ok=True)
        (staged / str(version)).mkdir(parents=True)
        for name, content in {**files, MANIFEST: manifest.to_json()}.items():
            _write(staged / str(version) / name, content)
        _write(staged / CONFIG, config.encode())
        _sync(staged / str(version))
        _sync(staged)
        _swap_in(staged, folder)
        _sync(self._repository)
        return Publication(folder / str(version), version, is_new=True)

    def _clear_staging(self) -> None:
        if self._staging.exists():
            shutil.rmtree(self._staging)


def versions(folder: Path) -> list[int]:
    """The versions of a model as Triton finds them: the folders whose name is a number."""
    if not folder.is_dir():
        return []
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal())


def _is_same(
    folder: Path, version: int, config: str, files: Mapping[str, bytes], manifest: Manifest
) -> bool:
    try:
        published = Manifest.from_json((folder / str(version) / MANIFEST).read_bytes())
        contents = {name: (folder / str(version) / name).read_bytes() for name in files}
        return (
            published.provenance == manifest.provenance
            and contents == files
            and (folder / CONFIG).read_text() == config
        )
    except (OSError, ValueError):
        return False


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # not every file system has hard links, nor every user the right to them
        shutil.copy2(source, target, follow_symlinks=False)


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Makes the names in a folder outlast a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _swap_in(staged: Path, folder: Path) -> None:
    """Puts `staged` in the place of `folder` in one step; what was there is left in `staged`."""
    try:
        if folder.exists():
            _exchange(staged, folder)
        else:
            staged.rename(folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.EXDEV):
            raise
        raise PublishError(
            f"the file system of {folder} cannot swap folders in one step ({error.strerror}); "
            "export into a local folder, then copy"
        ) from error


def _exchange(first: Path, second: Path) -> None:
    """Exchanges two folders, see renameat2(2); Python's `os.rename` cannot."""
    libc = ctypes.CDLL(None, use_errno=True)
    paths = os.fsencode(first), os.fsencode(second)
    if libc.renameat2(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_EXCHANGE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(second))
