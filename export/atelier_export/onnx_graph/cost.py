"""The cost of a network: multiply-adds, and milliseconds in ONNX Runtime."""

import statistics
import time
from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from atelier_export.onnx_graph.runtime import cpu_session


def multiply_adds(network: nn.Module, *inputs: Tensor) -> int:
    """Multiply-adds of the convolutions and matrix products for one call of `network(*inputs)`."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(*inputs)
    return int(counter.get_total_flops()) // 2


def milliseconds(
    graphs: Mapping[str, bytes],
    feed: Mapping[str, NDArray[Any]],
    threads: int,
    rounds: int = 15,
) -> dict[str, float]:
    """Median time of a request in ONNX Runtime on the CPU, for each graph.

    The graphs take turns, so that other load on the machine affects all of them alike.

    Args:
        graphs: ONNX models by name, all with the same inputs.
        feed: The request's tensors by name.
        threads: Threads that work on one request.
        rounds: Measured requests per graph.
    """
    sessions = {name: cpu_session(graph, threads) for name, graph in graphs.items()}
    times: dict[str, list[float]] = {name: [] for name in sessions}
    for turn in range(rounds + 1):
        for name, session in sessions.items():
            session.run(None, dict(feed))  # brings the weights into the CPU's cache
            started = time.perf_counter()
            session.run(None, dict(feed))
            if turn:
                times[name].append(time.perf_counter() - started)
    return {name: 1e3 * statistics.median(each) for name, each in times.items()}
