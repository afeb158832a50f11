"""What lies in model repositories, and what is wrong with them before Triton sees them."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from atelier_serving.errors import StartError
from atelier_serving.plain_paths import is_plain

Files = Mapping[str, tuple[int, int]]
"""A model's files and folders: the time of the last change in nanoseconds, and the size in bytes,
by the path within the model's folder; the folder itself is `.`."""
Contents = Mapping[str, Files]
"""The files of each model, by its name."""


def check(repositories: Sequence[str]) -> None:
    """Checks what Triton tells as an internal error, or does not tell at all.

    Args:
        repositories: Directories, or addresses such as `s3://bucket/models`, which are left to
            Triton.

    Raises:
        StartError: A directory cannot be looked into or holds no model, or a model has a name that
            a shell would change, or lies in two of them.
    """
    owners: dict[str, str] = {}
    for repository in repositories:
        if "://" in repository:
            continue
        models = [folder.name for folder in model_folders(repository)]
        if not models:
            raise StartError(f"the model repository {repository!r} is empty: it holds no model")
        for model in models:
            if not is_plain(model):
                raise StartError(
                    f"Triton's Python backend cannot serve a model named {model!r}, as in "
                    f"{repository!r}: take letters from a to z, digits and _ . - for its name"
                )
            # Triton would start without the model and say nothing.
            if model in owners:
                raise StartError(
                    f"the model {model!r} lies in {owners[model]!r} and in {repository!r}: "
                    "a name may occur once"
                )
            owners[model] = repository


def contents(repositories: Sequence[str]) -> Contents | None:
    """Notes what lies in model repositories, so that a change can be told later.

    Args:
        repositories: Directories or addresses.

    Returns:
        What lies there; None where an address is among them, for that only Triton can see.

    Raises:
        StartError: A directory cannot be looked into.
    """
    if any("://" in repository for repository in repositories):
        return None
    return {
        model.name: dict(_files(model))
        for repository in repositories
        for model in model_folders(repository)
    }


def model_folders(repository: str) -> list[Path]:
    """The folders of the models in a directory.

    Raises:
        StartError: It cannot be looked into.
    """
    try:
        return [entry for entry in Path(repository).iterdir() if entry.is_dir()]
    except OSError as error:
        raise StartError(
            f"cannot look into the model repository {repository!r}: {error.strerror}"
        ) from None


def _files(model: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    for folder, _, names in os.walk(model, followlinks=True):
        for path in (Path(folder), *(Path(folder, name) for name in names)):
            try:
                status = path.stat()
            except OSError:  # gone since it was listed, or a link to nowhere
                continue
            yield str(path.relative_to(model)), (status.st_mtime_ns, status.st_size)
