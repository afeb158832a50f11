"""Checkpoints: weights in one safetensors file, whose metadata describe networks and training."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from atelier_export.files.atomic_write import atomic_write


def save_checkpoint(
    path: Path, kind: str, weights: Mapping[str, Tensor], description: Mapping[str, Any]
) -> None:
    """Writes a checkpoint atomically, in float32.

    Args:
        path: The file; its folder is created.
        kind: What the file holds, with the version of its layout: "atelier style network 2".
        weights: The tensors by name, with a prefix for each of several networks.
        description: Plain JSON by name: the networks' configurations and how they were trained.

    Raises:
        OSError: It cannot be written.
    """
    metadata = {
        "kind": kind,
        **{name: json.dumps(value, sort_keys=True) for name, value in description.items()},
    }
    tensors = {name: value.detach().float().cpu().contiguous() for name, value in weights.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as partial:
        save_file(tensors, partial, metadata)


def load_checkpoint(path: Path, kind: str, family: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads the weights and the description that `save_checkpoint` wrote.

    Args:
        path: The file.
        kind: The kind that it must be.
        family: The family that trains such networks, for messages.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no checkpoint, or one of another kind.
    """
    remedy = f"`atelier train {family}` writes checkpoints"
    if not path.is_file():
        problem = "is a folder" if path.is_dir() else "does not exist"
        raise FileNotFoundError(f"{path} {problem}; {remedy}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is not a safetensors file: {error}; {remedy}") from error
    found = metadata.pop("kind", None) or "no checkpoint"
    if found != kind:
        raise ValueError(f"{path} is {found!r}, not {kind!r}; {remedy}")
    try:
        return weights, {name: json.loads(value) for name, value in metadata.items()}
    except ValueError as error:
        raise ValueError(f"{path} has a description that is not JSON: {error}; {remedy}") from error
