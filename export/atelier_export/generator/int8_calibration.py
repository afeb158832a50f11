"""Calibration of the generator's 8-bit file: ranges, and the quality that they give."""

from dataclasses import dataclass
from math import nan
from pathlib import Path

import numpy as np
import torch

from atelier_export.data.paintings import read_paintings
from atelier_export.generator.checkpoint import load_generator_checkpoint
from atelier_export.generator.evaluation import set_figures
from atelier_export.generator.int8 import GeneratorQuality
from atelier_export.generator.judge import Judge
from atelier_export.generator.painter import DEFAULT_TRUNCATION, LARGEST_TRUNCATION, draw_latents
from atelier_export.generator.published import GeneratorGraph
from atelier_export.generator.report import int8_table
from atelier_export.generator.serving import generator_graph, served_decoder
from atelier_export.onnx_graph.cost import milliseconds
from atelier_export.onnx_graph.export import export_graph
from atelier_export.onnx_graph.quantisation import measure_ranges, quantise, without
from atelier_export.publishing.calibration import Calibration, calibration_file
from atelier_export.publishing.manifest import sha256
from atelier_export.settings import Settings, setting

SEED = 20140610
"""Of all latents."""
_DECODER = ".decoder."
"""In the names of the weights of the autoencoder's decoder, which follows the generator."""


@dataclass(frozen=True)
class CalibrationData(Settings):
    """What a calibration reads.

    Attributes:
        paintings: Folder or uncompressed tar archive, the training's.
        classifier: Checkpoint of the classifier in whose feature space distances are measured.
        checkpoint: The network; the calibration is written beside it.
        count: Latents that the ranges are measured on.
    """

    paintings: Path = setting(help="Folder or uncompressed tar, the training's.", path="either")
    classifier: Path = setting(
        Path("export/checkpoints/classifier/classifier.safetensors"),
        "Checkpoint of the classifier that judges.", path="file",
    )  # fmt: skip
    checkpoint: Path = setting(
        Path("export/checkpoints/generator/generator.safetensors"), "The network.", path="file"
    )
    count: int = setting(200, "Latents that the ranges are measured on.", minimum=1)


def calibrate(data: CalibrationData) -> str:
    """Measure how the generator is put into 8 bits.

    Measures the ranges of its convolutions on latents of every movement and, on as many samples as
    there are test paintings, what 8 bits change. Writes both beside the checkpoint, from where
    `atelier export generator` takes them, and prints a table for the model card.
    """
    checkpoint = load_generator_checkpoint(data.checkpoint)
    side = served_decoder(checkpoint.painter).config.side
    latent, classes = checkpoint.painter.generator.config.latent, len(checkpoint.classes)
    graph = export_graph(generator_graph(checkpoint.painter, side))
    random = np.random.default_rng(SEED)

    # Ranges
    latents = draw_latents(random, data.count, latent, LARGEST_TRUNCATION)
    ranges = measure_ranges(
        graph,
        (
            {"latent": each[None], "movement": np.array([[number % classes]])}
            for number, each in enumerate(latents)
        ),
    )

    # The generator's own convolutions take little time and have the largest shares in the error.
    _, *inner, _ = (weight for weight in ranges if _DECODER in weight)
    ranges = without(ranges, set(ranges) - set(inner))

    # Quality
    judge = Judge(data.classifier, checkpoint.classes)
    paintings = read_paintings(data.paintings, side)
    reference = judge(paintings.images[paintings.indices("training")])
    labels = paintings.labels[paintings.indices("test")].numpy()
    latents = draw_latents(random, len(labels), latent, DEFAULT_TRUNCATION)
    graphs = {"float32": graph, "int8": quantise(graph, ranges)}
    images = {name: GeneratorGraph(each).paint(latents, labels) for name, each in graphs.items()}
    difference = np.abs(images["float32"] - images["int8"].astype(np.float32))
    feed = {"latent": latents[:1], "movement": labels[:1, None]}
    figures = {
        name: set_figures(judge(torch.from_numpy(each).permute(0, 3, 1, 2)), labels, reference)
        for name, each in images.items()
    }
    quality = GeneratorQuality(
        # Of too few images there are none, and nan is refused.
        **{
            name: {figure: nan if value is None else value for figure, value in each.items()}
            for name, each in figures.items()
        },
        mean_difference=float(difference.mean()),
        largest_difference=float(difference.max()),
        samples=len(labels),
        milliseconds=milliseconds(graphs, feed, threads=1),
    )
    Calibration(sha256(data.checkpoint.read_bytes()), {"generator": ranges}, quality).save(
        calibration_file(data.checkpoint)
    )
    quality.check()
    return int8_table(quality)
