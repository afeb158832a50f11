"""What a style network costs: multiply-adds, and milliseconds in ONNX Runtime."""

import statistics
import time
from collections.abc import Mapping

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from atelier_export.onnx_runtime import cpu_session


def multiply_adds(network: nn.Module, styles: int, side: int = 256) -> int:
    """Multiply-adds of the convolutions and matrix products for a picture of `side`×`side`.

    Args:
        network: Takes (1, 3, side, side) and (1, styles).
        styles: Number of styles.
        side: Pixels of a side.
    """
    device = next(network.parameters()).device
    image = torch.zeros(1, 3, side, side, device=device)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(image, torch.zeros(1, styles, device=device))
    return int(counter.get_total_flops()) // 2


def milliseconds(
    graphs: Mapping[str, bytes],
    threads: int,
    styles: int,
    side: int = 256,
    rounds: int = 15,
) -> dict[str, float]:
    """Median time of one picture of `side`×`side` in ONNX Runtime on the CPU, for each graph.

    The graphs take turns, so that what else the machine does strikes all of them alike.

    Args:
        graphs: Served style graphs by name.
        threads: Threads that work on one picture.
        styles: Their number of styles.
        side: Pixels of a side.
        rounds: Turns.
    """
    picture = np.random.default_rng(0).integers(0, 256, (1, side, side, 3), dtype=np.uint8)
    runs = {
        name: (
            cpu_session(graph, threads),
            {"image": picture, "style": np.eye(1, styles, dtype=np.float32)},
        )
        for name, graph in graphs.items()
    }
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds + 1):
        for name, (session, feed) in runs.items():
            session.run(None, feed)  # brings its weights into the cache
            started = time.perf_counter()
            session.run(None, feed)
            if turn:
                times[name].append(time.perf_counter() - started)
    return {name: 1e3 * statistics.median(each) for name, each in times.items()}
