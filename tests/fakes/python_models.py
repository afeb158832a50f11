"""The models in Python of the repository, for repositories of a test's own."""

import shutil
from pathlib import Path

PUBLISHED = Path(__file__).parents[2] / "model_repository"


def copy_code(repository: Path, model: str, name: str | None = None) -> Path:
    """Copies the code and the configuration of a model.

    Args:
        repository: A folder.
        model: Its name.
        name: That of the copy, if it is another.

    Returns:
        The copy's folder.
    """
    # Its manifest is that of another model.
    ignored = shutil.ignore_patterns("manifest.json", "__pycache__")
    folder = repository / (name or model)
    shutil.copytree(PUBLISHED / model, folder, dirs_exist_ok=True, ignore=ignored)
    return folder
