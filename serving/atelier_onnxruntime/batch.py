"""Several requests in one run of a model: gathered, run, and parted again.

Nothing here knows of Triton or of ONNX Runtime: a run is a function from named arrays to arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Arrays = dict[str, Array]
Run = Callable[[list[str], Arrays], list[Array]]
"""Runs the model: the names of the wanted outputs and the inputs, to the outputs in that order."""


@dataclass(frozen=True)
class Job:
    """One request.

    Attributes:
        inputs: Its tensors by name.
        outputs: The names of the outputs that it asks for.
    """

    inputs: Arrays
    outputs: Sequence[str]


def run_jobs(run: Run, jobs: Sequence[Job], *, batches: bool) -> list[Arrays | Exception]:
    """Answers every job, with as few runs of the model as their shapes allow.

    Jobs whose tensors differ in the first dimension alone share a run. Where a shared run fails,
    each of its jobs is run by itself, so that only the guilty one fails.

    Args:
        run: Runs the model.
        jobs: What is asked for, in order.
        batches: Whether the first dimension of every tensor is the batch.

    Returns:
        The outputs of each job by name, or the exception that it met, in the order of the jobs.
        The outputs are views of one array where jobs shared a run.
    """
    answers: list[Arrays | Exception] = [{}] * len(jobs)
    for group in _groups(jobs) if batches else [[index] for index in range(len(jobs))]:
        results = _run_apart_if_needed(run, [jobs[index] for index in group], batches)
        for index, result in zip(group, results, strict=True):
            answers[index] = result
    return answers


def _groups(jobs: Sequence[Job]) -> list[list[int]]:
    """Indices of the jobs that can share a run."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for index, job in enumerate(jobs):
        signature = tuple(
            (name, array.dtype, array.shape[1:]) for name, array in sorted(job.inputs.items())
        )
        groups.setdefault(signature, []).append(index)
    return list(groups.values())


def _run_apart_if_needed(
    run: Run, jobs: Sequence[Job], batches: bool
) -> Sequence[Arrays | Exception]:
    try:
        return _run_group(run, jobs, batches)
    except Exception as error:
        if len(jobs) == 1:
            return [error]
    return [result for job in jobs for result in _run_apart_if_needed(run, [job], batches)]


def _run_group(run: Run, jobs: Sequence[Job], batches: bool) -> list[Arrays]:
    inputs = jobs[0].inputs
    if len(jobs) > 1:
        inputs = {name: np.concatenate([job.inputs[name] for job in jobs]) for name in inputs}
    names = list(dict.fromkeys(name for job in jobs for name in job.outputs))
    outputs = dict(zip(names, run(names, inputs), strict=True))
    if not batches:
        return [outputs]  # never more than one job
    sizes = [len(next(iter(job.inputs.values()))) for job in jobs]
    for name, output in outputs.items():
        if output.shape[:1] != (sum(sizes),):
            raise ValueError(
                f"output '{name}' has the shape {list(output.shape)}, "
                f"but its first dimension must be the batch size {sum(sizes)}"
            )
    ends = np.cumsum(sizes)
    return [
        {name: outputs[name][end - size : end] for name in job.outputs}
        for job, size, end in zip(jobs, sizes, ends, strict=True)
    ]
