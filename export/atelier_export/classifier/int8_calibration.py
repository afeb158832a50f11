"""Calibration of the classifier's 8-bit file: ranges, and the quality that they give."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atelier_export.classifier.checkpoint import load_classifier_checkpoint
from atelier_export.classifier.int8 import ClassifierQuality
from atelier_export.classifier.report import int8_table
from atelier_export.classifier.serving import classifier_graph, group_matrix
from atelier_export.data.paintings import ERAS, MOVEMENTS, read_paintings
from atelier_export.onnx_graph.cost import milliseconds
from atelier_export.onnx_graph.export import export_graph
from atelier_export.onnx_graph.quantisation import measure_ranges, quantise, without
from atelier_export.onnx_graph.runtime import cpu_session
from atelier_export.publishing.calibration import Calibration, calibration_file
from atelier_export.publishing.manifest import sha256
from atelier_export.settings import Settings, setting


@dataclass(frozen=True)
class CalibrationData(Settings):
    """What a calibration reads.

    Attributes:
        paintings: Folder or uncompressed tar archive, the training's.
        checkpoint: The network; the calibration is written beside it.
        count: Paintings of the training that the ranges are measured on.
    """

    paintings: Path = setting(help="Folder or uncompressed tar, the training's.", path="either")
    checkpoint: Path = setting(
        Path("export/checkpoints/classifier/classifier.safetensors"), "The network.", path="file"
    )
    count: int = setting(200, "Paintings that the ranges are measured on.", minimum=1)


def calibrate(data: CalibrationData) -> str:
    """Measure how the classifier is put into 8 bits.

    Measures the ranges of its convolutions on training paintings and, on the test part, what 8 bits
    change. Writes both beside the checkpoint, from where `atelier export classifier` takes them,
    and prints a table for the model card.
    """
    checkpoint = load_classifier_checkpoint(data.checkpoint)
    side = checkpoint.training["last_side"]
    graph = export_graph(classifier_graph(checkpoint.network, side))
    paintings = read_paintings(data.paintings, side)
    pixels = paintings.images.permute(0, 2, 3, 1).contiguous().numpy()  # (n, S, S, 3)
    training = paintings.indices("training").numpy()
    test = paintings.indices("test").numpy()

    chosen = training[np.linspace(0, len(training) - 1, min(data.count, len(training))).astype(int)]
    ranges = measure_ranges(graph, ({"image": pixels[at : at + 1]} for at in chosen))
    first, *_ = ranges  # its share of the error is the largest, and it sees the image itself
    ranges = without(ranges, {first})

    graphs = {"float32": graph, "int8": quantise(graph, ranges)}
    probabilities = {name: _probabilities(each, pixels[test]) for name, each in graphs.items()}
    labels = paintings.labels[test].numpy()
    float32, int8 = probabilities.values()
    quality = ClassifierQuality(
        **{name: _recognised(each, labels) for name, each in probabilities.items()},
        agreement=float((float32.argmax(1) == int8.argmax(1)).mean()),
        mean_difference=float(np.abs(float32 - int8).mean()),
        paintings=len(test),
        milliseconds=milliseconds(graphs, {"image": pixels[:1]}, threads=1),
    )
    Calibration(sha256(data.checkpoint.read_bytes()), {"classifier": ranges}, quality).save(
        calibration_file(data.checkpoint)
    )
    quality.check()
    return int8_table(quality)


def _probabilities(graph: bytes, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Of the movements, (n, K), for images (n, S, S, 3)."""
    session = cpu_session(graph)
    batches: Iterator[NDArray[Any]] = (pixels[at : at + 64] for at in range(0, len(pixels), 64))
    found: NDArray[np.float32] = np.concatenate(
        [session.run(["probabilities"], {"image": batch})[0] for batch in batches]
    )
    return found


def _recognised(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> dict[str, float]:
    eras = group_matrix(MOVEMENTS, ERAS).numpy()  # (K, G)
    of_era = eras.argmax(1)[labels]
    return {
        "movement": float((probabilities.argmax(1) == labels).mean()),
        "era": float(((probabilities @ eras).argmax(1) == of_era).mean()),
    }
