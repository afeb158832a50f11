"""What is wrong with model repositories before Triton sees them."""

from collections.abc import Sequence
from pathlib import Path

from atelier_serving.errors import StartError


def check(repositories: Sequence[str]) -> None:
    """Checks what Triton tells as an internal error, or does not tell at all.

    Args:
        repositories: Directories, or addresses such as `s3://bucket/models`, which are left to
            Triton.

    Raises:
        StartError: A directory is missing or holds no model, or a model lies in two of them.
    """
    owners: dict[str, str] = {}
    for repository in repositories:
        if "://" in repository:
            continue
        path = Path(repository)
        if not path.is_dir():
            raise StartError(f"the model repository {repository!r} is no directory")
        models = [entry.name for entry in path.iterdir() if entry.is_dir()]
        if not models:
            raise StartError(f"the model repository {repository!r} is empty: it holds no model")
        for model in models:
            # Triton would start without the model and say nothing.
            if model in owners:
                raise StartError(
                    f"the model {model!r} lies in {owners[model]!r} and in {repository!r}: "
                    "a name may occur once"
                )
            owners[model] = repository
