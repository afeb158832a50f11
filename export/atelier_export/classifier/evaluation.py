"""Evaluation of the published classifier on held-out paintings."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from atelier_export.classifier.checkpoint import load_classifier_checkpoint
from atelier_export.classifier.figures import classification_figures, plot_confusion
from atelier_export.classifier.network import Classifier, ClassifierConfig
from atelier_export.classifier.prediction import predict
from atelier_export.classifier.report import evaluation_tables
from atelier_export.classifier.teacher import (
    cell_moments_in,
    probe_probabilities,
    window_statistics,
)
from atelier_export.data.labelled_images import LabelledImages
from atelier_export.data.mnist import read_digits
from atelier_export.data.paintings import ERAS, MOVEMENTS, read_paintings
from atelier_export.data.synthetic import synthetic_image
from atelier_export.losses.vgg import VGG_SETTING
from atelier_export.onnx_graph.cost import milliseconds, multiply_adds
from atelier_export.onnx_graph.runtime import cpu_session
from atelier_export.publishing.checkpoint import config_from
from atelier_export.publishing.manifest import Manifest, sha256
from atelier_export.publishing.repository import MANIFEST, versions
from atelier_export.reports.model_card import write_evaluation
from atelier_export.settings import Settings, setting

COST_SIZES = ((128, 128), (384, 512))
"""Heights and widths of the images whose time is measured."""


@dataclass(frozen=True)
class ClassifierEvaluationData(Settings):
    """What an evaluation reads and writes.

    Attributes:
        paintings: Folder or uncompressed tar archive, the training's.
        vgg: Weights of the teacher, for the linear probe, the baseline.
        model_repository: Where the model `classifier` is published.
        by_artist: A checkpoint that was trained with `--split artist`; skipped by default.
        digits: Folder with MNIST, for `digits_checkpoint`.
        digits_checkpoint: A checkpoint of `atelier train digits-classifier`; skipped by default.
        cache: Folder that caches VGG's activations: give the training's output to save time.
        output: The JSON file to write; confusion.png is written beside it.
    """

    paintings: Path = setting(help="Folder or uncompressed tar, the training's.", path="either")
    vgg: Path = setting(**VGG_SETTING)
    model_repository: Path = setting(
        Path("model_repository"), "Where the model `classifier` is published.", path="folder"
    )
    by_artist: Path | None = setting(
        None, "Checkpoint trained with --split artist.  [default: skipped]", path="file"
    )
    digits: Path | None = setting(
        None, "Folder with MNIST, for --digits-checkpoint.", path="folder"
    )
    digits_checkpoint: Path | None = setting(
        None, "Checkpoint of train digits-classifier.  [default: skipped]", path="file"
    )
    cache: Path = setting(
        Path("runs/classifier"), "Folder that caches VGG's activations.", path="new_folder"
    )
    output: Path = setting(
        Path("export/checkpoints/classifier/evaluation.json"), "The JSON file to write.",
        path="new_file", metavar="OUT", short="-o",
    )  # fmt: skip


def evaluate(data: ClassifierEvaluationData) -> str:
    """Measure the newest version of the model `classifier`.

    On held-out paintings: accuracy of movements and eras, macro-F1, top-3 accuracy, calibration
    error and confusion, compared with a linear probe on VGG-19's activations; and the cost of a
    request. Writes all of it to OUT and prints tables for the model card.
    """
    if (data.digits is None) != (data.digits_checkpoint is None):
        raise ValueError("--digits and --digits-checkpoint belong together; give both or neither")
    result = evaluate_classifier(data)
    write_evaluation(result, data.output)
    figure = plot_confusion(result["classifier"]["confusion"], MOVEMENTS)
    figure.savefig(data.output.with_name("confusion.png"), dpi=90)
    return "\n\n".join(evaluation_tables(result).values())


def evaluate_classifier(data: ClassifierEvaluationData) -> dict[str, Any]:
    """Measures the published classifier and what it is compared with.

    Args:
        data: What to read.

    Returns:
        Plain JSON, see `classification_figures` for the figures of each.

    Raises:
        OSError: A file cannot be read or written.
        ValueError: An input cannot be used.
    """
    # The published graph, on the test part.
    version, content, network, side = _published(data.model_repository)
    paintings = read_paintings(data.paintings, side)
    test = paintings.indices("test")
    probabilities = _graph_probabilities(content, paintings.images[test])
    result: dict[str, Any] = {
        "model": {"version": version, "sha256": sha256(content)},
        "data": {
            "vgg": sha256(data.vgg.read_bytes()),
            **{part: len(paintings.indices(part)) for part in ("training", "validation", "test")},
        },
        "classifier": classification_figures(
            probabilities, paintings.labels[test], MOVEMENTS, ERAS
        ),
        "cost": _cost(content, network, side),
    }

    # A linear probe on the statistics of VGG's activations.
    moments = cell_moments_in(data.cache, data.vgg, paintings.images)
    statistics = torch.cat([window_statistics(some) for some in torch.split(moments, 256)])
    probe = probe_probabilities(
        statistics, paintings.labels, paintings.indices("training"), len(MOVEMENTS)
    )
    result["probe"] = classification_figures(probe[test], paintings.labels[test], MOVEMENTS, ERAS)

    # Other trainings of the same code.
    if data.by_artist is not None:
        by_artist = read_paintings(data.paintings, side, "artist")
        result["by_artist"] = _checkpoint_figures(data.by_artist, by_artist, ERAS)
    if data.digits is not None and data.digits_checkpoint is not None:
        digits = read_digits(data.digits)
        result["digits"] = _checkpoint_figures(data.digits_checkpoint, digits, None)
    return result


def _published(repository: Path) -> tuple[int, bytes, ClassifierConfig, int]:
    """Version, graph, network and its side in pixels of the newest model in a repository.

    Raises:
        FileNotFoundError: There is none.
    """
    folder = repository / "classifier"
    newest = max(versions(folder), default=None)
    if newest is None:
        raise FileNotFoundError(
            f"{folder} holds no version; `atelier export classifier` publishes one"
        )
    files = folder / str(newest)
    provenance = Manifest.from_json((files / MANIFEST).read_bytes()).provenance
    content = (files / "model.onnx").read_bytes()
    return newest, content, config_from(ClassifierConfig, provenance["network"]), provenance["side"]


def _graph_probabilities(content: bytes, images: Tensor) -> Tensor:
    session = cpu_session(content)
    found = []
    for some in torch.split(images.permute(0, 2, 3, 1), 64):
        feed = {"image": some.contiguous().numpy()}
        (probabilities,) = session.run(["probabilities"], feed)
        found.append(torch.from_numpy(probabilities))
    return torch.cat(found)


def _checkpoint_figures(
    checkpoint: Path, data: LabelledImages, groups: dict[str, tuple[str, ...]] | None
) -> dict[str, Any]:
    loaded = load_classifier_checkpoint(checkpoint)
    if loaded.classes != data.classes:
        raise ValueError(
            f"{checkpoint} has the classes {', '.join(loaded.classes)}, "
            f"not {', '.join(data.classes)}"
        )
    test = data.indices("test")
    probabilities = predict(loaded.network, data.images[test]).softmax(dim=1)
    figures = classification_figures(probabilities, data.labels[test], data.classes, groups)
    return {**figures, "steps": loaded.training["steps"]}


def _cost(content: bytes, config: ClassifierConfig, side: int) -> dict[str, Any]:
    """Multiply-adds without the resizing, and milliseconds with it."""
    network = Classifier(config).eval()
    generator = torch.Generator().manual_seed(0)
    times = {}
    for height, width in COST_SIZES:
        feed = {"image": np.asarray(synthetic_image(height, width, generator))}
        times[f"{width}×{height}"] = milliseconds({"one": content}, feed, threads=1)["one"]
    return {
        "multiply_adds": multiply_adds(network, torch.zeros(1, 3, side, side)),
        "milliseconds": times,
    }
