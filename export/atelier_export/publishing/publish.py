"""From a checkpoint to the model repository: graphs, parity with PyTorch, manifests."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

from atelier_export.onnx_graph.export import export_graph
from atelier_export.onnx_graph.half_precision import to_half_precision
from atelier_export.onnx_graph.parity import (
    Difference,
    ParityCase,
    measure_differences,
    measure_parity,
)
from atelier_export.onnx_graph.quantisation import quantise
from atelier_export.onnx_graph.runtime import RUNTIME
from atelier_export.publishing.errors import PublishError, QualityError
from atelier_export.publishing.gpu_configs import HALF_MODEL, gpu_configs
from atelier_export.publishing.manifest import Manifest, fingerprints, sha256
from atelier_export.publishing.repository import (
    CONFIG,
    MANIFEST,
    ModelFolder,
    Publication,
    RepositoryWriter,
    versions,
)
from atelier_export.publishing.served_model import ServedModel

MODEL = "model.onnx"
INT8_MODEL = "model.int8.onnx"
TOOLS = ("torch", "onnx", "onnxscript")


def publish(
    models: Sequence[ServedModel],
    checkpoint: Path,
    repository: Path,
    version: int | None = None,
    report: Callable[[str], None] = lambda _line: None,
) -> Publication:
    """Publishes the models of one checkpoint, all of them or none.

    Args:
        models: The models.
        checkpoint: The file that they were made from, for the manifests.
        repository: The model repository; created if it does not exist.
        version: The version's number in every model; by default the one after the newest.
        report: Called with each line of progress.

    Raises:
        OSError: A file cannot be read or written.
        ValueError: A graph cannot be exported or run.
        ParityError: ONNX Runtime and PyTorch differ; nothing was published.
        QualityError: 8 or 16 bits differ from PyTorch by too much; nothing was published.
        PublishError: The repository cannot take the models; nothing was published.
    """
    with RepositoryWriter(repository) as writer:
        models = _present(models, repository, report)

        # Export and compare
        files: dict[str, dict[str, bytes]] = {}
        parity: dict[str, list[ParityCase]] = {}
        reduced: dict[str, dict[str, dict[str, Difference]]] = {}
        for model in models:
            files[model.name] = {}
            if model.graph is None:
                continue
            report(f"exporting {checkpoint} as {model.name}")
            content = export_graph(model.graph)
            report(f"comparing ONNX Runtime with PyTorch ({len(content) / 1e6:.1f} MB of graph)")
            parity[model.name] = measure_parity(model.graph, content)
            report(_summary(parity[model.name]))
            files[model.name][MODEL] = content
            if model.quantised is not None:
                int8 = quantise(content, model.quantised.ranges)
                report(f"comparing 8 bits with PyTorch ({len(int8) / 1e6:.1f} MB of graph)")
                differences = measure_differences(model.graph, int8)
                _check_mean("8 bits", differences, model.quantised.mean_differences)
                reduced.setdefault(model.name, {})["int8_difference_from_pytorch"] = differences
                files[model.name][INT8_MODEL] = int8
            if model.half_differences is not None:
                half = to_half_precision(content)
                report(f"comparing 16 bits with PyTorch ({len(half) / 1e6:.1f} MB of graph)")
                differences = measure_differences(model.graph, half)
                _check_mean("16 bits", differences, model.half_differences)
                reduced.setdefault(model.name, {})["fp16_difference_from_pytorch"] = differences
                files[model.name][HALF_MODEL] = half

        # Publish, with every model's checksums in every manifest
        checksums = {model.name: _fingerprints(model, files[model.name]) for model in models}
        folders = [
            ModelFolder(
                model.name,
                _model_files(model),
                files[model.name],
                None
                if model.graph is None
                else _manifest(
                    model,
                    checksums,
                    checkpoint,
                    parity.get(model.name),
                    reduced.get(model.name, {}),
                ),
            )
            for model in models
        ]
        return writer.publish(folders, version)


def configure(
    models: Sequence[ServedModel],
    repository: Path,
    report: Callable[[str], None] = lambda _line: None,
) -> list[Path]:
    """Writes the configurations of published models anew, and their checksums into the manifests.

    For configurations that changed while the networks did not: the versions stay as they are.

    Args:
        models: All models of one checkpoint, the one that the newest version was made from.
        repository: The model repository.
        report: Called with each line of progress.

    Returns:
        The folders that changed.

    Raises:
        OSError: A file cannot be read or written.
        ValueError: A manifest is none.
        PublishError: A network has not been published, or the repository cannot take the files.
    """
    with RepositoryWriter(repository) as writer:
        models = _present(models, repository, report)
        own = {
            model.name: fingerprints(
                {f"../{path}": content for path, content in _model_files(model).items()}
            )
            for model in models
        }
        folders = []
        for model in models:
            files = _model_files(model)
            if model.graph is not None:
                version = max(versions(repository / model.name), default=0)
                if not version:
                    raise PublishError(
                        f"{repository} has no version of {model.name}: export the family first"
                    )
                path = f"{version}/{MANIFEST}"
                manifest = Manifest.from_json((repository / model.name / path).read_bytes())
                stated = {
                    model.name: manifest.provenance["files"],
                    **manifest.provenance.get("published_with", {}),
                }
                renewed = {
                    each.name: _renewed(
                        stated.get(each.name, {}) if each.graph else {}, own[each.name]
                    )
                    for each in models
                }
                manifest.provenance["files"] = renewed.pop(model.name)
                if renewed:
                    manifest.provenance["published_with"] = renewed
                files[path] = manifest.to_json()
            folders.append(ModelFolder(model.name, files, {}, None))
        return writer.replace_files(folders)


def _renewed(stated: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Checksums of a version's files as stated, and of the model's own files as they are now."""
    kept = {path: each for path, each in stated.items() if not path.startswith("../")}
    return dict(sorted({**kept, **own}.items()))


def _present(
    models: Sequence[ServedModel], repository: Path, report: Callable[[str], None]
) -> list[ServedModel]:
    """The models but those whose code the repository lacks, which no export can complete."""
    present = []
    for model in models:
        if model.graph is None and not (repository / model.name).is_dir():
            report(f"{repository} has no model {model.name} to configure: copy it there first")
        else:
            present.append(model)
    return present


def _model_files(model: ServedModel) -> dict[str, bytes]:
    """What belongs to the model and not to a version, by path in the model's folder."""
    configs = {CONFIG: model.config, **gpu_configs(model)}
    return {**{path: text.encode() for path, text in configs.items()}, **model.model_files}


def _fingerprints(model: ServedModel, version_files: dict[str, bytes]) -> dict[str, Any]:
    # Those of the model's folder are the ones that the version was published with, in force while
    # it is the newest.
    model_files = {f"../{path}": content for path, content in _model_files(model).items()}
    return fingerprints({**version_files, **model_files})


def _manifest(
    model: ServedModel,
    checksums: dict[str, dict[str, Any]],
    checkpoint: Path,
    parity: list[ParityCase] | None,
    reduced: dict[str, dict[str, Difference]],
) -> Manifest:
    others = {name: files for name, files in checksums.items() if name != model.name}
    provenance: dict[str, Any] = {
        "model": model.name,
        "files": checksums[model.name],
        "checkpoint": {"file": checkpoint.name, "sha256": sha256(checkpoint.read_bytes())},
        # Through JSON, so that tuples are lists as in a manifest that was read.
        **json.loads(json.dumps(dict(model.provenance))),
        **({"published_with": others} if others else {}),
    }
    # ONNX Runtime's own version: with a GPU its distribution has another name.
    tools = {**{tool: installed_version(tool) for tool in TOOLS}, "onnxruntime": RUNTIME}
    measured: dict[str, Any] = {"tools": tools}
    if parity is not None:
        measured["parity_with_pytorch"] = {
            "largest_difference": largest_differences(parity),
            "batches": [asdict(case) for case in parity],
        }
    for measure, differences in reduced.items():
        measured[measure] = {name: asdict(each) for name, each in differences.items()}
    return Manifest(provenance, measured)


def _check_mean(
    bits: str, differences: dict[str, Difference], allowed: Mapping[str, float]
) -> None:
    for name, difference in differences.items():
        largest = allowed[name]
        # Written so that nan is refused too.
        if not difference.mean <= largest:
            raise QualityError(
                f"{name} in {bits} differs from PyTorch's by {difference.mean:g} on average; at "
                f"most {largest:g} is allowed: calibrate again, or keep more in float32"
            )


def largest_differences(parity: Sequence[ParityCase]) -> dict[str, float]:
    """The largest difference of each output over all batches."""
    return {
        name: max(case.outputs[name].largest_difference for case in parity)
        for name in parity[0].outputs
    }


def _summary(parity: Sequence[ParityCase]) -> str:
    differing = {
        name: max(case.outputs[name].differing for case in parity) for name in parity[0].outputs
    }
    outputs = ", ".join(
        f"{name} differs by at most {largest:.3g}, at up to {differing[name]:.3%} of its positions"
        for name, largest in largest_differences(parity).items()
    )
    return f"{len(parity)} batches: {outputs}"
