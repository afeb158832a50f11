"""Several arrangements of one model, side by side in one server, measured in turns."""

from __future__ import annotations

import asyncio
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import text_format
from numpy.typing import NDArray
from tritonclient.grpc import InferInput
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.grpc.model_config_pb2 import ModelConfig
from tritonclient.utils import np_to_triton_dtype

from atelier_tuning.arrangement import Arrangement

P99_REQUESTS = 459
"""Fewer requests carry no 99th percentile: 0.99 ** 459 is below 1 %."""


@dataclass
class Measured:
    """What was seen of one arrangement.

    Attributes:
        arrangement: What was measured.
        rates: Requests a second with several callers, of each round.
        alone: Milliseconds of each request of one caller.
        together: Milliseconds of each request of several callers.
    """

    arrangement: Arrangement
    rates: list[float] = field(default_factory=list)
    alone: list[float] = field(default_factory=list)
    together: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Requests a second with several callers: the median of the rounds."""
        return statistics.median(self.rates)

    @property
    def latency(self) -> float:
        """Milliseconds that a request takes which is alone: the median."""
        return statistics.median(self.alone)

    @property
    def p99(self) -> float:
        """Milliseconds with several callers, 99 of 100 requests; NaN for fewer than 459."""
        if len(self.together) < P99_REQUESTS:
            return math.nan
        return float(np.percentile(self.together, 99))


def lay_out(
    model: Path, config: ModelConfig, arrangements: Sequence[Arrangement], repository: Path
) -> list[str]:
    """Writes a repository that has the model once for each arrangement.

    Args:
        model: The model's folder.
        config: What its `config.pbtxt` says.
        arrangements: How to arrange it.
        repository: An empty folder.

    Returns:
        The names under which the arrangements are served.
    """
    names = [f"{config.name}_{number}" for number in range(len(arrangements))]
    for name, arrangement in zip(names, arrangements, strict=True):
        folder = repository / name
        folder.mkdir()
        for entry in model.iterdir():
            if entry.name != "config.pbtxt":
                (folder / entry.name).symlink_to(entry.resolve())
        own = ModelConfig()
        own.CopyFrom(config)
        own.name = name
        arrangement.apply(own)
        (folder / "config.pbtxt").write_text(text_format.MessageToString(own))
    return names


async def measure(
    url: str,
    served: Mapping[str, Arrangement],
    inputs: Mapping[str, NDArray[Any]],
    *,
    callers: int,
    seconds: float,
    rounds: int,
    progress: Callable[[str], None],
) -> list[Measured]:
    """Measures all arrangements in turns, so that each sees the same machine.

    Args:
        url: The server's gRPC address.
        served: The arrangements by the names of their models.
        inputs: Of every request.
        callers: How many requests are under way at any time, where it is more than one.
        seconds: Of each measurement; each arrangement has two in a round.
        rounds: How often; every second one goes backwards.
        progress: Is told of each round.
    """
    found = {name: Measured(arrangement) for name, arrangement in served.items()}
    tensors = [_tensor(name, array) for name, array in inputs.items()]
    async with InferenceServerClient(url) as client:
        for name in served:  # Memory and kernels of the sessions that warm-up does not reach.
            await _load(client, name, tensors, callers, seconds / 4)
        for turn in range(rounds):
            progress(f"round {turn + 1} of {rounds}")
            for name in list(served)[:: -1 if turn % 2 else 1]:
                _, latencies = await _load(client, name, tensors, 1, seconds)
                found[name].alone += latencies
                rate, latencies = await _load(client, name, tensors, callers, seconds)
                found[name].rates.append(rate)
                found[name].together += latencies
    return list(found.values())


def _tensor(name: str, array: NDArray[Any]) -> InferInput:
    tensor = InferInput(name, array.shape, np_to_triton_dtype(array.dtype))
    tensor.set_data_from_numpy(array)
    return tensor


async def _load(
    client: InferenceServerClient,
    model: str,
    inputs: Sequence[InferInput],
    callers: int,
    seconds: float,
) -> tuple[float, list[float]]:
    """Requests a second and the milliseconds of each, with `callers` under way at any time."""
    latencies: list[float] = []
    began = last = time.perf_counter()

    async def call() -> None:
        nonlocal last
        while (sent := time.perf_counter()) < began + seconds:
            await client.infer(model, inputs)
            last = time.perf_counter()
            latencies.append(1e3 * (last - sent))

    await asyncio.gather(*(call() for _ in range(callers)))
    return len(latencies) / (last - began), latencies
