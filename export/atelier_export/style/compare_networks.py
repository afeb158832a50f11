"""Style networks beside each other: what they cost and how well they paint."""

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from atelier_export.losses import PerceptualLoss
from atelier_export.network_cost import milliseconds, multiply_adds
from atelier_export.style.checkpoint import StyleCheckpoint, load_style_checkpoint
from atelier_export.style.graph import style_graph
from atelier_export.style.held_out import HeldOut
from atelier_export.style.measure_distances import measure_distances, summarise_distances
from atelier_export.style.paint import LossWeights
from atelier_export.style.polyphase import rewrite_for_inference
from atelier_export.style.published import StyleGraph

_log = logging.getLogger(__name__)

THREADS = (1, 2)


@dataclass(frozen=True)
class Candidate:
    """A trained network in the comparison.

    Attributes:
        name: Its name.
        parameters: Weights of the convolutions, scales and shifts.
        gmac: Billions of multiply-adds for a picture of 256×256, as exported.
        milliseconds: Median time for one such picture in ONNX Runtime, by number of threads.
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


def compare_networks(
    checkpoints: Sequence[Path],
    perceptual_loss: PerceptualLoss,
    photographs: Sequence[HeldOut],
    weights: LossWeights,
) -> list[Candidate]:
    """Measures trained networks, the first of which is the baseline.

    Args:
        checkpoints: What `atelier train style` wrote; each is called like its folder. All of the
            same styles, in the same order.
        perceptual_loss: Knows these styles' paintings, in that order.
        photographs: What is repainted.
        weights: Of the loss.

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
    graphs = {}
    for name, checkpoint in loaded.items():
        _log.info("exporting %s", name)
        graphs[name] = style_graph(checkpoint.network)
    times = {threads: milliseconds(graphs, threads, len(names)) for threads in THREADS}
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
                gmac=multiply_adds(rewrite_for_inference(checkpoint.network), len(names)) / 1e9,
                milliseconds={threads: each[name] for threads, each in times.items()},
                speed={threads: each[baseline] / each[name] for threads, each in times.items()},
                content=means["content"],
                style=means["style"],
                loss=means["loss"],
            )
        )
    return candidates


def comparison_table(candidates: Sequence[Candidate]) -> str:
    """The candidates as a Markdown table."""
    lines = [
        "| network | parameters | GMAC | 1 thread | 2 threads | content | style | sum |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for each in candidates:
        speeds = " | ".join(
            f"{each.milliseconds[threads]:.1f} ms, {each.speed[threads]:.2f}×"
            for threads in THREADS
        )
        lines.append(
            f"| `{each.name}` | {each.parameters / 1e6:.2f} M | {each.gmac:.2f} | {speeds} "
            f"| {each.content:.3f} | {each.style:.4f} | {each.loss:.3f} |"
        )
    return "\n".join(lines)


def save_comparison(candidates: Sequence[Candidate], path: Path) -> None:
    """Writes the candidates as JSON."""
    path.write_text(json.dumps([asdict(each) for each in candidates], indent=1) + "\n")


def plot_front(candidates: Sequence[Candidate], path: Path) -> None:
    """Draws loss over cost, with the networks that no other one beats in both on a line.

    Args:
        candidates: What to draw.
        path: The picture to write; the suffix chooses the format.
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
