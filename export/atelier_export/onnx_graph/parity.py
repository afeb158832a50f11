"""Parity: the differences between ONNX Runtime's outputs and PyTorch's."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from atelier_export.onnx_graph.runtime import cpu_session
from atelier_export.publishing.errors import ParityError
from atelier_export.publishing.served_model import Graph


@dataclass(frozen=True)
class OutputParity:
    """The parity of one output in one batch.

    Attributes:
        largest_difference: Between two values, in the output's own units.
        differing: Share of the positions (all axes but the last: pixels, rows) that differ, 0..1.
    """

    largest_difference: float
    differing: float


@dataclass(frozen=True)
class ParityCase:
    """The parity of one batch: the inputs' shapes (1×16×16×3) and the outputs, by name."""

    inputs: dict[str, str]
    outputs: dict[str, OutputParity]


def measure_parity(graph: Graph, content: bytes) -> list[ParityCase]:
    """Compares an exported graph in ONNX Runtime with its reference in PyTorch, on the CPU.

    Args:
        graph: What was exported, and on which batches to compare.
        content: The ONNX model that `export_graph` made of it.

    Raises:
        ParityError: A value differs by more than the output's tolerance, or a shape differs.
        ValueError: ONNX Runtime refuses the graph.
    """
    session = cpu_session(content)
    reference = graph.reference.eval()
    cases = []
    for inputs in graph.parity_batches():
        expected = _run(reference, tuple(inputs.values()))
        served = session.run(
            list(graph.outputs), {name: tensor.numpy() for name, tensor in inputs.items()}
        )
        shapes = {name: "×".join(map(str, tensor.shape)) for name, tensor in inputs.items()}
        outputs = {}
        for name, torch_output, onnx_output in zip(graph.outputs, expected, served, strict=True):
            if onnx_output.shape != torch_output.shape:
                raise ParityError(
                    f"the shape of {name} is {onnx_output.shape} from ONNX Runtime and "
                    f"{torch_output.shape} from PyTorch, for inputs {_describe(shapes)}"
                )
            outputs[name] = _compare(torch_output, onnx_output)
            _check(name, outputs[name], graph.outputs[name].tolerance, shapes)
        cases.append(ParityCase(shapes, outputs))
    return cases


@dataclass(frozen=True)
class Difference:
    """The difference of an output over all batches, in its own units."""

    mean: float
    largest: float


def measure_differences(graph: Graph, content: bytes) -> dict[str, Difference]:
    """Compares a quantised graph with its reference on the batches of the parity, by output."""
    session = cpu_session(content)
    differences: dict[str, list[NDArray[Any]]] = {name: [] for name in graph.outputs}
    for inputs in graph.parity_batches():
        expected = _run(graph.reference.eval(), tuple(inputs.values()))
        served = session.run(
            list(graph.outputs), {name: tensor.numpy() for name, tensor in inputs.items()}
        )
        for name, torch_output, onnx_output in zip(graph.outputs, expected, served, strict=True):
            difference = onnx_output.astype(np.float64) - torch_output.astype(np.float64)
            differences[name].append(np.abs(difference).ravel())
    joined = {name: np.concatenate(each) for name, each in differences.items()}
    return {
        name: Difference(round(float(each.mean()), 3), float(each.max()))
        for name, each in joined.items()
    }


def _run(network: nn.Module, inputs: tuple[Tensor, ...]) -> list[NDArray[Any]]:
    with torch.inference_mode():
        outputs = network(*inputs)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    return [output.numpy() for output in outputs]


def _compare(expected: NDArray[Any], served: NDArray[Any]) -> OutputParity:
    difference = np.abs(served.astype(np.float64) - expected.astype(np.float64))
    return OutputParity(
        float(difference.max()), round(float((difference.max(axis=-1) > 0).mean()), 6)
    )


def _check(name: str, measured: OutputParity, tolerance: float, shapes: dict[str, str]) -> None:
    # Written so that nan is refused too.
    if not measured.largest_difference <= tolerance:
        raise ParityError(
            f"{name} from ONNX Runtime differs from PyTorch's by {measured.largest_difference:g} "
            f"(at {measured.differing:.1%} of its positions) for inputs {_describe(shapes)}; at "
            f"most {tolerance:g} is allowed"
        )


def _describe(shapes: dict[str, str]) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in shapes.items())
