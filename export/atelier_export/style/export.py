"""The export of a style network: checkpoint, graph, parity with PyTorch, publication."""

import json
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

from atelier_export.manifest import Manifest, fingerprints, sha256
from atelier_export.onnx_runtime import RUNTIME
from atelier_export.publish import CONFIG, Publication, RepositoryWriter
from atelier_export.style.checkpoint import StyleCheckpoint, load_style_checkpoint
from atelier_export.style.config import style_config
from atelier_export.style.graph import style_graph
from atelier_export.style.parity import ParityCase, measure_parity

TOOLS = ("torch", "onnx", "onnxscript")


def export_style(
    checkpoint_file: Path,
    repository: Path,
    version: int | None = None,
    report: Callable[[str], None] = lambda _line: None,
) -> Publication:
    """Publishes a trained style network as the model `style` of a Triton repository.

    Args:
        checkpoint_file: What `atelier train style` wrote.
        repository: The model repository; it is created where there is none.
        version: The version's number; without it, the one after the newest.
        report: Told what happens, a line at a time.

    Raises:
        OSError: There is no such checkpoint, or a file cannot be read or written.
        ValueError: It is not the checkpoint of a style network, or its names cannot be served.
        ParityError: ONNX Runtime does not give PyTorch's pictures; nothing was published.
        PublishError: The repository cannot take it; nothing was published.
    """
    checkpoint = load_style_checkpoint(checkpoint_file)
    config = style_config(checkpoint.styles)
    with RepositoryWriter(repository) as writer:
        report(f"exporting {checkpoint_file}: {', '.join(checkpoint.styles)}")
        graph = style_graph(checkpoint.network)
        report(f"comparing ONNX Runtime with PyTorch ({len(graph) / 1e6:.1f} MB of graph)")
        parity = measure_parity(checkpoint.network, graph)
        largest = max(case.largest_difference for case in parity)
        differing = max(case.differing for case in parity)
        report(
            f"{len(parity)} batches: they differ by at most {largest} of 255, "
            f"in at most {differing:.3%} of the pixels"
        )
        manifest = _describe(checkpoint, checkpoint_file, graph, config, parity)
        return writer.publish("style", config, {"model.onnx": graph}, manifest, version)


def _describe(
    checkpoint: StyleCheckpoint,
    checkpoint_file: Path,
    graph: bytes,
    config: str,
    parity: list[ParityCase],
) -> Manifest:
    provenance: dict[str, Any] = {
        "model": "style",
        # The configuration is the model's, not the version's: here is the one that the version
        # was published with, and that is in force while the version is the newest.
        "files": fingerprints({"model.onnx": graph, f"../{CONFIG}": config.encode()}),
        "checkpoint": {
            "file": checkpoint_file.name,
            "sha256": sha256(checkpoint_file.read_bytes()),
        },
        # Lists in place of tuples, as they come back from JSON.
        "network": json.loads(json.dumps(asdict(checkpoint.network.config))),
        "styles": list(checkpoint.styles),
    }
    measured = {
        # ONNX Runtime speaks for itself: its distribution is called otherwise where there is a GPU.
        "tools": {**{tool: installed_version(tool) for tool in TOOLS}, "onnxruntime": RUNTIME},
        "parity_with_pytorch": {
            "largest_difference": max(case.largest_difference for case in parity),
            "batches": [asdict(case) for case in parity],
        },
    }
    return Manifest(provenance, measured)
