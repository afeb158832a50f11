"""Comparison of style networks: cost and loss."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from atelier_export.data.images import find_paintings
from atelier_export.losses.perceptual import PerceptualLoss, load_perceptual_loss
from atelier_export.losses.vgg import VGG_SETTING
from atelier_export.losses.weights import LossWeights
from atelier_export.onnx_graph.cost import milliseconds, multiply_adds
from atelier_export.onnx_graph.export import export_graph
from atelier_export.reports.markdown import table
from atelier_export.settings import Settings, setting
from atelier_export.style.checkpoint import StyleCheckpoint, load_style_checkpoint
from atelier_export.style.evaluation import EvaluationSettings
from atelier_export.style.held_out import HeldOut, held_out_images
from atelier_export.style.inference_rewrite import rewrite_for_inference
from atelier_export.style.measure_stability import BORDER
from atelier_export.style.perceptual_distances import measure_distances, summarise_distances
from atelier_export.style.published import StyleGraph
from atelier_export.style.serving import style_graph
from atelier_export.style.settings import IMAGES_SETTING, PAINTINGS_SETTING

_log = logging.getLogger(__name__)

THREADS = (1, 2)
SIDE = 256
"""Side in pixels of the image whose cost is measured."""


@dataclass(frozen=True)
class Candidate:
    """A trained network in the comparison.

    Attributes:
        name: The name of its checkpoint's folder.
        parameters: Weights of the convolutions, scales and shifts.
        gmac: Billions of multiply-adds for an image of 256×256, as exported.
        milliseconds: Median time for one such image in ONNX Runtime, by number of threads.
        speed: How many times as fast as the baseline in the same run, by number of threads.
        content: Mean content distance over styles and photographs.
        style: Mean style distance.
        loss: Mean weighted sum, the one that was trained for.
    """

    name: str
    parameters: int
    gmac: float
    milliseconds: dict[int, float]
    speed: dict[int, float]
    content: float
    style: float
    loss: float


@dataclass(frozen=True)
class ComparisonData(Settings):
    """What a comparison reads and writes.

    Attributes:
        checkpoints: Checkpoints of networks with the same styles in the same order, each named
            after its folder; the first is the baseline.
        images: Folder or uncompressed tar archive of photographs.
        paintings: Folder with a painting for every style, named like it.
        vgg: Weights of the loss network, see `VGG19.load`.
        output: Folder for front.json and front.png.
        side: Side in pixels of the photographs' center crops, for the distances.
    """

    checkpoints: tuple[Path, ...] = setting(
        help="The trained networks.", path="file", positional=True, metavar="CHECKPOINT…"
    )
    images: Path = setting(**IMAGES_SETTING)
    paintings: Path = setting(**PAINTINGS_SETTING)
    vgg: Path = setting(**VGG_SETTING)
    output: Path = setting(
        help="Folder for front.json and front.png.", path="new_folder", short="-o"
    )
    side: int = setting(
        256, "Side of the photographs' center crops, for the distances.", minimum=3 * BORDER
    )


def compare_style_networks(data: ComparisonData) -> str:
    """Compare trained style networks, the first being the baseline.

    Measures parameters, multiply-adds, milliseconds in ONNX Runtime (the networks take turns), and
    the distances on every twentieth photograph. A network is named after its checkpoint's folder.
    """
    settings = EvaluationSettings(side=data.side)
    data.output.mkdir(parents=True, exist_ok=True)
    loaded = load_candidates(data.checkpoints)
    baseline = next(iter(loaded.values()))
    files = find_paintings(data.paintings, baseline.styles)
    candidates = measure_candidates(
        loaded,
        load_perceptual_loss(files.values(), data.vgg, settings.style_side),
        held_out_images(data.images, settings.every, settings.side),
        settings,
    )
    save_comparison(candidates, data.output / "front.json")
    plot_front(candidates, data.output / "front.png")
    return comparison_table(candidates)


def load_candidates(checkpoints: Sequence[Path]) -> dict[str, StyleCheckpoint]:
    """Loads trained networks, by the names of their folders.

    Raises:
        FileNotFoundError: There is no such checkpoint.
        ValueError: A file is no checkpoint, two lie in folders of one name, or the networks have
            different styles.
    """
    loaded: dict[str, StyleCheckpoint] = {}
    for path in checkpoints:
        name = path.resolve().parent.name
        if name in loaded:
            raise ValueError(
                f"two checkpoints lie in a folder called {name!r}; their folders name the networks"
            )
        loaded[name] = load_style_checkpoint(path)
    baseline = next(iter(loaded))
    names = loaded[baseline].styles
    for name, checkpoint in loaded.items():
        if checkpoint.styles != names:
            raise ValueError(
                f"{name} has the styles {', '.join(checkpoint.styles)}, {baseline} has "
                f"{', '.join(names)}; compare networks of the same styles in the same order"
            )
    return loaded


def measure_candidates(
    loaded: Mapping[str, StyleCheckpoint],
    perceptual_loss: PerceptualLoss,
    photographs: Sequence[HeldOut],
    weights: LossWeights,
) -> list[Candidate]:
    """Measures trained networks of the same styles.

    Args:
        loaded: The networks by name; the first is the baseline.
        perceptual_loss: Of the styles' paintings, in the same order.
        photographs: The images to repaint.
        weights: Of the loss.
    """
    baseline = next(iter(loaded))
    names = loaded[baseline].styles

    # Export, and measure the time
    graphs = {}
    for name, checkpoint in loaded.items():
        _log.info("exporting %s", name)
        graphs[name] = export_graph(style_graph(checkpoint.network))
    feed: dict[str, Any] = {
        "image": np.random.default_rng(0).integers(0, 256, (1, SIDE, SIDE, 3), dtype=np.uint8),
        "style": np.eye(1, len(names), dtype=np.float32),
    }
    times = {threads: milliseconds(graphs, feed, threads) for threads in THREADS}

    # Repaint, and measure the distances
    candidates = []
    for name, checkpoint in loaded.items():
        _log.info("painting with %s", name)
        measured = measure_distances(
            StyleGraph(graphs[name], names).paint, perceptual_loss, photographs, names, weights
        )
        means = summarise_distances(measured)["all"]
        candidates.append(
            Candidate(
                name=name,
                parameters=sum(each.numel() for each in checkpoint.network.parameters()),
                gmac=_gmac(rewrite_for_inference(checkpoint.network), len(names)),
                milliseconds={threads: each[name] for threads, each in times.items()},
                speed={threads: each[baseline] / each[name] for threads, each in times.items()},
                content=means["content"],
                style=means["style"],
                loss=means["loss"],
            )
        )
    return candidates


def _gmac(network: nn.Module, styles: int) -> float:
    image, weights = torch.zeros(1, 3, SIDE, SIDE), torch.zeros(1, styles)
    return multiply_adds(network, image, weights) / 1e9


def comparison_table(candidates: Sequence[Candidate]) -> str:
    """The candidates as a Markdown table."""
    rows = [
        [
            f"`{each.name}`",
            f"{each.parameters / 1e6:.2f} M",
            f"{each.gmac:.2f}",
            *(f"{each.milliseconds[n]:.1f} ms, {each.speed[n]:.2f}×" for n in THREADS),
            f"{each.content:.3f}",
            f"{each.style:.4f}",
            f"{each.loss:.3f}",
        ]
        for each in candidates
    ]
    headings = ["network", "parameters", "GMAC", "1 thread", "2 threads", "content", "style", "sum"]
    return table(headings, rows)


def save_comparison(candidates: Sequence[Candidate], path: Path) -> None:
    """Writes the candidates as JSON."""
    path.write_text(json.dumps([asdict(each) for each in candidates], indent=1) + "\n")


def plot_front(candidates: Sequence[Candidate], path: Path) -> None:
    """Draws loss over cost, and the Pareto front as a line.

    Args:
        candidates: What to draw.
        path: The image to write; the suffix chooses the format.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    axes.scatter([each.gmac for each in candidates], [each.loss for each in candidates])
    for each in candidates:
        axes.annotate(
            f"{each.name} ({each.speed[2]:.1f}×)", (each.gmac, each.loss),
            xytext=(5, 5), textcoords="offset points",
        )  # fmt: skip
    front = sorted(
        (
            each
            for each in candidates
            if not any(other.gmac < each.gmac and other.loss < each.loss for other in candidates)
        ),
        key=lambda each: each.gmac,
    )
    axes.plot([each.gmac for each in front], [each.loss for each in front], alpha=0.4)
    axes.set(xlabel="GMAC for 256×256", ylabel="loss on held-out photographs")
    axes.margins(x=0.25, y=0.15)
    axes.grid(alpha=0.3, which="both")
    figure.savefig(path, dpi=120)
