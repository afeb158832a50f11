"""Calibration of the style network's 8-bit file: ranges, and the quality that they give."""

import itertools
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from atelier_export.data.images import center_crop, find_paintings
from atelier_export.data.readable import readable_images
from atelier_export.data.splits import split
from atelier_export.losses.perceptual import PerceptualLoss, load_perceptual_loss
from atelier_export.losses.vgg import VGG_SETTING
from atelier_export.onnx_graph.export import export_graph
from atelier_export.onnx_graph.quantisation import measure_ranges, quantise, without
from atelier_export.publishing.calibration import Calibration, calibration_file
from atelier_export.publishing.manifest import sha256
from atelier_export.reports.contact_sheet import Column, contact_sheet
from atelier_export.settings import Settings, setting
from atelier_export.style.checkpoint import load_style_checkpoint
from atelier_export.style.evaluation import EvaluationSettings
from atelier_export.style.held_out import HeldOut, held_out_images
from atelier_export.style.int8 import GATED, StyleQuality
from atelier_export.style.measure_stability import measure_stability
from atelier_export.style.perceptual_distances import measure_distances, summarise_distances
from atelier_export.style.published import StyleGraph
from atelier_export.style.report import int8_table
from atelier_export.style.serving import style_graph, style_mixtures
from atelier_export.style.settings import IMAGES_SETTING, PAINTINGS_SETTING

_log = logging.getLogger(__name__)

FLOAT32 = ("network.stem.conv.weight", "network.down.0.conv.weight", "network.up.1.weight")
"""The convolutions with the largest shares in the error, each quantised alone."""
SIZES = (160, 256, 320)
"""Sides in pixels of the calibration's crops, in turns."""


@dataclass(frozen=True)
class CalibrationData(Settings):
    """What a calibration reads.

    Attributes:
        images: Folder or uncompressed tar archive of photographs.
        paintings: Folder with a painting for every style, named like it.
        vgg: Weights of the loss network, see `VGG19.load`.
        checkpoint: The network; the calibration is written beside it.
        float32: Weights of the convolutions that stay in float32, beside the last one.
        count: Photographs that the ranges are measured on.
    """

    images: Path = setting(**IMAGES_SETTING)
    paintings: Path = setting(**PAINTINGS_SETTING)
    vgg: Path = setting(**VGG_SETTING)
    checkpoint: Path = setting(
        Path("export/checkpoints/style/style.safetensors"), "The network.", path="new_file"
    )
    float32: tuple[str, ...] = setting(
        FLOAT32, "Weights of the convolutions that stay in float32.",
        metavar="NAME,…",
    )  # fmt: skip
    count: int = setting(180, "Photographs that the ranges are measured on.", minimum=1)


def calibrate(data: CalibrationData) -> str:
    """Measure how the style network is put into 8 bits.

    Measures the ranges of its convolutions on training photographs, over styles, mixes, strengths
    and sizes; then, on held-out photographs, how far the 8-bit network is from the float32 one.
    Writes both beside the checkpoint, from where `atelier export style` takes them, and prints a
    table for the model card; a sheet of both beside each other is written there too.
    """
    settings = EvaluationSettings()
    checkpoint = load_style_checkpoint(data.checkpoint)
    graph = export_graph(style_graph(checkpoint.network))

    # Ranges, on photographs that the quality is not measured on
    _log.info("measuring ranges on %d photographs", data.count)
    ranges = measure_ranges(
        graph, _batches(data.images, settings.every, data.count, len(checkpoint.styles))
    )
    *_, head = ranges  # it has a bias, and its output is the image
    ranges = without(ranges, {*data.float32, head})

    # Quality
    photographs = held_out_images(data.images, settings.every, settings.side)
    paintings = find_paintings(data.paintings, checkpoint.styles).values()
    loss = load_perceptual_loss(paintings, data.vgg, settings.style_side)
    float32, int8 = (
        StyleGraph(each, checkpoint.styles) for each in (graph, quantise(graph, ranges))
    )
    mean, largest = _differences(float32, int8, photographs)
    quality = StyleQuality(
        _measures(float32, loss, photographs, settings),
        _measures(int8, loss, photographs, settings),
        round(mean, 3),
        largest,
        len(photographs),
    )
    path = calibration_file(data.checkpoint)
    sheet(float32, int8, photographs).save(path.with_suffix(".jpg"), quality=90)
    Calibration(sha256(data.checkpoint.read_bytes()), {"style": ranges}, quality).save(path)
    quality.check()
    return int8_table(quality)


def sheet(
    float32: StyleGraph, int8: StyleGraph, photographs: Sequence[HeldOut], styles: int = 4
) -> Image.Image:
    """A row for each of some styles: a photograph, and its paintings in float32 and in 8 bits."""
    shown = float32.styles[:: max(len(float32.styles) // styles, 1)][:styles]
    rows = list(zip(itertools.cycle(photographs), shown, strict=False))
    columns = [Column("photograph", [Image.fromarray(each.pixels) for each, _ in rows])]
    for heading, network in (("float32", float32), ("8 bits", int8)):
        painted = [Image.fromarray(network.paint(each.pixels, style)) for each, style in rows]
        columns.append(Column(heading, painted))
    return contact_sheet(columns)


def _batches(
    source: Path, every: int, count: int, styles: int
) -> Iterator[dict[str, NDArray[Any]]]:
    """Photographs that the training saw, each with another size and one of the mixtures."""
    images = readable_images(source)
    images = images if every == 1 else split(images, every)[0]
    spread = images[:: max(len(images) // count, 1)][:count]
    mixtures = itertools.cycle(style_mixtures(styles))
    for image, side, mixture in zip(spread, itertools.cycle(SIZES), mixtures, strict=False):
        pixels = np.asarray(center_crop(image.read(), side))
        yield {"image": pixels[None], "style": mixture.numpy()[None]}


def _measures(
    network: StyleGraph,
    loss: PerceptualLoss,
    photographs: Sequence[HeldOut],
    settings: EvaluationSettings,
) -> dict[str, dict[str, float]]:
    distances = measure_distances(network.paint, loss, photographs, network.styles, settings)
    measured = {}
    for style, means in summarise_distances(distances)["styles"].items():
        stability = measure_stability(
            partial(network.paint, style=style), photographs, settings.seed
        )
        means["moved"] = fmean(each.moved for each in stability)
        means["noise"] = fmean(each.noise for each in stability)
        measured[style] = {name: round(means[name], 6) for name in (*GATED, "noise")}
    return measured


def _differences(
    float32: StyleGraph, int8: StyleGraph, photographs: Sequence[HeldOut]
) -> tuple[float, float]:
    """Mean and largest difference of the pixels, over all photographs and styles."""
    differences = [
        np.abs(float32.paint(each.pixels, style) - int8.paint(each.pixels, style).astype(float))
        for each in photographs
        for style in float32.styles
    ]
    return fmean(each.mean() for each in differences), max(each.max() for each in differences)
