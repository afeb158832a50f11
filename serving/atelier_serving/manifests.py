"""What a model repository holds, compared with its manifests.

Each version of a model has a `manifest.json`, whose `files` tells the sha256 of every file by its
path from there. `../config.pbtxt` and other files of the model itself count in the manifest of its
newest version alone, for that is what they were published with. Where a model's own manifest leaves
them out, `published_with` in another model's tells theirs.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atelier_serving.errors import StartError
from atelier_serving.repositories import model_folders

if TYPE_CHECKING:
    from atelier_serving.signatures import PublicKey

MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
_OF_THE_MODEL = "../"
_SHOWN = 10
_LEFT_BY_TOOLS = re.compile(r"/(?:\.|__pycache__/)")


class Kind(Enum):
    """What is wrong with a file."""

    MISSING = "is missing"
    ALTERED = "is altered"
    EXTRA = "is in no manifest"
    UNLISTED = "has no manifest"
    UNSIGNED = "is not signed with this key"


@dataclass(frozen=True)
class Problem:
    """A file that is not as it was published.

    Attributes:
        path: The file, or the folder of a version.
        kind: What is wrong with it.
        why: More about it, or "".
    """

    path: Path
    kind: Kind
    why: str = ""

    def __str__(self) -> str:
        return f"{self.path} {self.kind.value}" + (f": {self.why}" if self.why else "")


@dataclass(frozen=True)
class Verification:
    """What a server checks before it loads anything.

    Attributes:
        public_key: With a key, every file must be in a manifest that is signed with it; without,
            files in manifests must be as they were, and others are nobody's business.
    """

    public_key: "PublicKey | None" = None

    def check(self, repositories: Sequence[str]) -> None:
        """Checks model repositories.

        Raises:
            StartError: A file is not as it was published; the message names it.
        """
        if self.public_key and (addresses := [each for each in repositories if "://" in each]):
            raise StartError(f"{addresses[0]} cannot be verified: only directories can")
        found = [
            problem
            for repository in repositories
            if "://" not in repository
            for problem in problems(Path(repository), self.public_key)
            if self.public_key or problem.kind in (Kind.MISSING, Kind.ALTERED)
        ]
        if found:
            lines = [str(problem) for problem in found[:_SHOWN]]
            if len(found) > _SHOWN:
                lines.append(f"and {len(found) - _SHOWN} more: atelier verify")
            raise StartError(
                "\n".join(
                    [
                        "the model repository is not as it was published:",
                        *lines,
                        "put back what was published, or serve it with --allow-altered; where you "
                        "changed the code of a model yourself, `atelier manifest` writes it down",
                    ]
                )
            )


def problems(repository: Path, public_key: "PublicKey | None" = None) -> Iterator[Problem]:
    """Compares every file of a model repository with the manifests.

    Args:
        repository: The directory.
        public_key: What every manifest has to be signed with; None: nothing.

    Raises:
        StartError: The directory cannot be looked into.
    """
    models = {folder.name: folder for folder in sorted(model_folders(str(repository)))}
    newest: dict[str, dict[str, Any]] = {}
    for name, folder in models.items():
        for version in _versions(folder):
            manifest = None
            try:
                manifest = _read(version, name)
            except FileNotFoundError:
                yield Problem(version, Kind.UNLISTED)
            except (OSError, ValueError) as error:
                yield Problem(version / MANIFEST, Kind.ALTERED, str(error))
            if manifest is not None:
                if public_key and not public_key.has_signed(version):
                    yield Problem(version / MANIFEST, Kind.UNSIGNED)
                own = {path: each for path, each in manifest["files"].items() if "/" not in path}
                yield from _compare(version, own)
                newest[name] = manifest
    for name, folder in models.items():
        others = (each.get("published_with", {}).get(name, {}) for each in newest.values())
        files = [*others, newest.get(name, {}).get("files", {})]  # the last of a name counts
        stated = {
            path.removeprefix(_OF_THE_MODEL): each
            for stating in files
            for path, each in stating.items()
            if path.startswith(_OF_THE_MODEL)
        }
        versions = {version.name for version in _versions(folder)}
        yield from _compare(folder, stated, besides=versions)


def files_of(folder: Path, besides: frozenset[str] | set[str] = frozenset()) -> list[str]:
    """The paths of all files in a folder, from there; a link to a folder counts as a file."""
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if (path.is_symlink() or not path.is_dir())
        and path.relative_to(folder).parts[0] not in besides
    )


def fingerprint(path: Path) -> dict[str, Any]:
    """Size and sha256 of a file, as a manifest has them."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"bytes": path.stat().st_size, "sha256": digest}


def record(version: Path) -> bool:
    """Writes down the files of a version that no export has made, in its manifest.

    Only files of the version: what belongs to the model is written down if no other manifest does.

    Args:
        version: The folder of the version.

    Returns:
        Whether anything changed.

    Raises:
        ValueError: The manifest is that of an export, which has measured what it says.
        OSError: A file cannot be read or written.
    """
    path = version / MANIFEST
    if path.exists() and "measured" in json.loads(path.read_bytes()):
        raise ValueError(f"{path} was written by an export; export the model again")
    folder = version.parent
    elsewhere = {
        name
        for other in folder.parent.glob(f"*/*/{MANIFEST}")
        for name in json.loads(other.read_bytes()).get("published_with", {}).get(folder.name, {})
    }
    names = [
        name
        for name in files_of(version)
        if name not in (MANIFEST, SIGNATURE) and not _LEFT_BY_TOOLS.search(f"/{name}")
    ]
    besides = {each.name for each in _versions(folder)}
    names += [
        stated
        for name in files_of(folder, besides)
        if (stated := _OF_THE_MODEL + name) not in elsewhere
    ]
    files = {name: fingerprint(version / name) for name in sorted(names)}
    content = json.dumps({"model": folder.name, "files": files}, indent=2) + "\n"
    if path.exists() and path.read_text() == content:
        return False
    path.write_text(content)
    return True


def versions_of(repository: Path) -> Iterator[Path]:
    """The folders of all versions that have a manifest."""
    for folder in sorted(model_folders(str(repository))):
        yield from (each for each in _versions(folder) if (each / MANIFEST).exists())


def _versions(folder: Path) -> list[Path]:
    found = (each for each in folder.iterdir() if each.is_dir() and each.name.isdecimal())
    return sorted(found, key=lambda each: int(each.name))


def _read(version: Path, model: str) -> dict[str, Any]:
    """A manifest; ValueError where it is none, or that of another model."""
    manifest = json.loads((version / MANIFEST).read_bytes())
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise ValueError("it has no list of files")  # noqa: TRY004 - of the file, not of a type
    with_it = manifest.get("published_with", {})
    if not isinstance(with_it, dict) or not all(
        isinstance(each, dict) for each in with_it.values()
    ):
        raise ValueError("what was published with it is no list of files")
    if manifest.get("model") != model:
        raise ValueError(f"it is that of the model {manifest.get('model')!r}")
    for path in manifest["files"]:
        parts = path.removeprefix(_OF_THE_MODEL).split("/")
        of_the_version = not path.startswith(_OF_THE_MODEL)
        if not {"", ".", ".."}.isdisjoint(parts) or (of_the_version and parts[1:]) or "\0" in path:
            raise ValueError(f"it names {path!r}, which is no file of the model")
    return manifest


def _compare(
    folder: Path, stated: dict[str, Any], besides: frozenset[str] | set[str] = frozenset()
) -> Iterator[Problem]:
    for name, expected in sorted(stated.items()):
        path = folder / name
        try:
            found = fingerprint(path)
        except FileNotFoundError:
            yield Problem(path, Kind.MISSING)
        except OSError as error:
            yield Problem(path, Kind.ALTERED, error.strerror or "")
        else:
            if found != expected:
                yield Problem(path, Kind.ALTERED)
    for name in files_of(folder, besides):
        if name not in stated and name not in (MANIFEST, SIGNATURE):
            yield Problem(folder / name, Kind.EXTRA)
