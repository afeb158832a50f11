"""Publishing into a Triton model repository: a model's folder changes as a whole or not at all.

A new version and its configuration must appear together, so the model's whole new folder is built
first and then swapped with the old one by one atomic rename. It is built beside the repository,
since Triton takes every folder in it for a model. Whatever kills the export, the repository holds
the old folder or the new one.

Models that belong together (an encoder and its decoder) are all built before the first is swapped
in. If one swap fails, the earlier ones are undone. If the export is killed between two of them, the
next export finds the journal and the remaining folders, and swaps them in.
"""

import ctypes
import errno
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from atelier_export.files.atomic_write import atomic_write
from atelier_export.files.folder_lock import folder_lock
from atelier_export.publishing.errors import PublishError
from atelier_export.publishing.manifest import Manifest

CONFIG = "config.pbtxt"
MANIFEST = "manifest.json"
JOURNAL = "journal.json"
"""In the staging folder: the models that are completely built and about to be swapped in, each with
the inode of its new folder."""

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@dataclass(frozen=True)
class ModelFolder:
    """A new version of a model, or only a new configuration, ready to be published.

    Attributes:
        name: The model's name.
        model_files: Files of the model's own folder by path in it, such as config.pbtxt.
        version_files: Files of the version's folder by name, beside the manifest.
        manifest: Where the files come from; None if the model's versions stay as they are, and only
            its own files are replaced.
    """

    name: str
    model_files: Mapping[str, bytes]
    version_files: Mapping[str, bytes]
    manifest: Manifest | None


@dataclass(frozen=True)
class Publication:
    """The result of publishing.

    Attributes:
        folders: The folders of the version, one per model that got one.
        version: Its number.
        is_new: False if the repository already held exactly this, and nothing was changed.
    """

    folders: tuple[Path, ...]
    version: int
    is_new: bool


class RepositoryWriter:
    """Exclusive access to publish into one repository.

    ```python
    with RepositoryWriter(Path("model_repository")) as writer:
        writer.publish([ModelFolder("style", {"config.pbtxt": config}, files, manifest)])
    ```

    Entering creates the repository if it does not exist, and finishes or removes what a killed
    export left beside it.

    Raises:
        PublishError: On entering, if another process is publishing, or if the repository is the
            root of a file system.
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
            held.enter_context(folder_lock(self._repository, refusal))
            self._finish_interrupted()
            self._clear_staging()
            self._held = held.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Releases the lock."""
        with self._held:
            self._clear_staging()

    def publish(self, models: Sequence[ModelFolder], version: int | None = None) -> Publication:
        """Adds one version to each model, and replaces the models' configurations and labels.

        Older versions stay as they are. If the newest version of each is already this one (the same
        files and provenance), nothing changes.

        Args:
            models: The models to publish together.
            version: The version's number in each of them; by default the one after the newest.

        Raises:
            PublishError: The number is taken, or is not the newest, which is what Triton serves;
                or the file system cannot swap folders.
        """
        # Choose the version
        newest = {each.name: max(versions(self._repository / each.name), default=0)
                  for each in models if each.manifest}  # fmt: skip
        last = max(newest.values())
        if (
            version in (None, last)
            and {*newest.values()} == {last}
            and all(_is_same(self._repository / each.name, last, each) for each in models)
        ):
            return Publication(self._folders(models, last), last, is_new=False)
        if version is None:
            version = last + 1
        elif version <= last:
            model = next(name for name, number in newest.items() if number == last)
            raise PublishError(
                f"version {version} of {model} cannot be published: the newest is {last}, "
                f"versions are never changed, and Triton serves the newest; take {last + 1}"
            )

        self._replace(models, version)
        return Publication(self._folders(models, version), version, is_new=True)

    def replace_files(self, models: Sequence[ModelFolder]) -> list[Path]:
        """Replaces files of models' own folders, all of them together; versions stay as they are.

        Args:
            models: Without manifests.

        Returns:
            The folders of those that were not so already. If there are none, nothing changes.

        Raises:
            PublishError: The file system cannot swap folders.
        """
        changed = [each for each in models if not _is_same(self._repository / each.name, 0, each)]
        if changed:
            self._replace(changed, 0)
        return [self._repository / each.name for each in changed]

    def _replace(self, models: Sequence[ModelFolder], version: int) -> None:
        # Build the folders
        for each in models:
            self._stage(each, version)

        # Swap them in; from the journal on, a killed export is finished by the next
        journal = self._staging / JOURNAL
        with atomic_write(journal) as partial:
            inodes = {each.name: (self._staging / each.name).stat().st_ino for each in models}
            partial.write_text(json.dumps(inodes))
        _sync(self._staging)
        self._swap_all([each.name for each in models])
        journal.unlink()

    def _folders(self, models: Sequence[ModelFolder], version: int) -> tuple[Path, ...]:
        return tuple(
            self._repository / each.name / str(version) for each in models if each.manifest
        )

    def _stage(self, model: ModelFolder, version: int) -> None:
        """Builds a model's new folder: older versions as hard links, the new version, its files."""
        folder, staged = self._repository / model.name, self._staging / model.name
        if folder.exists():
            shutil.copytree(folder, staged, symlinks=True, copy_function=_link_or_copy)
        staged.mkdir(parents=True, exist_ok=True)
        if model.manifest:
            (staged / str(version)).mkdir()
            version_files = {**model.version_files, MANIFEST: model.manifest.to_json()}
            for name, content in version_files.items():
                _write(staged / str(version) / name, content)
            _sync(staged / str(version))
        for name, content in model.model_files.items():
            # It may be a hard link to the repository's file, which must not change.
            (staged / name).unlink(missing_ok=True)
            (staged / name).parent.mkdir(exist_ok=True)
            _write(staged / name, content)
            _sync((staged / name).parent)
        _sync(staged)

    def _swap_all(self, names: Sequence[str]) -> None:
        """Swaps staged folders in; if one swap fails, the earlier ones are undone."""
        swapped: list[tuple[str, bool]] = []
        try:
            for name in names:
                existed = (self._repository / name).exists()
                _swap_in(self._staging / name, self._repository / name)
                swapped.append((name, existed))
        except BaseException:
            for name, existed in reversed(swapped):
                if existed:
                    _exchange(self._staging / name, self._repository / name)
                else:
                    (self._repository / name).rename(self._staging / name)
            (self._staging / JOURNAL).unlink(missing_ok=True)
            raise
        _sync(self._repository)

    def _finish_interrupted(self) -> None:
        """Swaps in what a killed export had completely built and not swapped in yet."""
        journal = self._staging / JOURNAL
        if journal.exists():
            inodes: dict[str, int] = json.loads(journal.read_text())
            # A folder keeps its inode when it is moved.
            self._swap_all(
                [name for name, inode in inodes.items()
                 if (self._staging / name).exists()
                 and (self._staging / name).stat().st_ino == inode]
            )  # fmt: skip

    def _clear_staging(self) -> None:
        if self._staging.exists():
            shutil.rmtree(self._staging)


def versions(folder: Path) -> list[int]:
    """The versions of a model as Triton finds them: the folders with a number for a name."""
    if not folder.is_dir():
        return []
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal())


def _is_same(folder: Path, version: int, model: ModelFolder) -> bool:
    try:
        if not model.manifest:
            return _holds(folder, model.model_files)
        published = Manifest.from_json((folder / str(version) / MANIFEST).read_bytes())
        return (
            published.provenance == model.manifest.provenance
            and _holds(folder / str(version), model.version_files)
            and _holds(folder, model.model_files)
        )
    except (OSError, ValueError):
        return False


def _holds(folder: Path, files: Mapping[str, bytes]) -> bool:
    return all((folder / name).read_bytes() == content for name, content in files.items())


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
    """Syncs a folder's entries to disk, so that they survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _swap_in(staged: Path, folder: Path) -> None:
    """Moves `staged` to `folder` in one step; the old content, if any, is left in `staged`."""
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
