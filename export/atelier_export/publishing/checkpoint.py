"""Checkpoints: weights in one safetensors file, whose metadata describe networks and training."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from atelier_export.files.atomic_write import atomic_write

Loaded = TypeVar("Loaded")


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


def load_checkpoint(
    path: Path,
    kind: str,
    family: str,
    build: Callable[[dict[str, Any], dict[str, Tensor]], Loaded],
) -> Loaded:
    """Rebuilds what `save_checkpoint` wrote.

    Args:
        path: The file.
        kind: The kind that it must be.
        family: The family that trains such networks, for messages.
        build: Makes the networks from the description and the weights, in float32 on the CPU; may
            raise KeyError, TypeError, ValueError and RuntimeError for what does not fit.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no checkpoint, one of another kind, or does not fit its description.
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
        return build({name: json.loads(value) for name, value in metadata.items()}, weights)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path} does not hold the network that it describes: {error}") from error


def config_from(kind: type[Loaded], fields: Mapping[str, Any]) -> Loaded:
    """A dataclass of a network's shape from its fields as they come back from JSON."""
    return kind(
        **{name: tuple(each) if isinstance(each, list) else each for name, each in fields.items()}
    )
