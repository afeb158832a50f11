"""Static quantisation of convolutions to 8 bits, from ranges that were measured before.

Activations are uint8 with a scale and a zero point per tensor, weights int8 with a scale per output
channel, in pairs of QuantizeLinear and DequantizeLinear around each convolution, which ONNX Runtime
fuses to QLinearConv (Krishnamoorthi 2018, arXiv:1806.08342). Where an operator only moves values,
such as padding, it moves 8 bits instead of 32.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper

from atelier_export.onnx_graph.export import check_readable
from atelier_export.onnx_graph.runtime import cpu_session
from atelier_export.publishing.served_model import ConvRange

COVERED = 0.8
"""Share of the calibration's batches whose values are within a range."""

_MOVES = ("Pad", "Reshape", "Slice", "Transpose")
"""Operators whose output holds only values of their input, as they are used in our graphs."""


def measure_ranges(
    graph: bytes, batches: Iterable[Mapping[str, NDArray[Any]]]
) -> dict[str, ConvRange]:
    """Typical ranges of every convolution, by the name of its weight.

    `COVERED` of the batches stay within each bound. What is further out is rare, and costs less
    when it is cut off than a coarser scale costs everywhere.
    """
    model = onnx.load_from_string(graph)
    convs = [node for node in model.graph.node if node.op_type == "Conv"]
    tensors = [tensor for conv in convs for tensor in (conv.input[0], conv.output[0])]
    names = []
    for tensor in tensors:
        for reduction in ("ReduceMin", "ReduceMax"):
            names.append(f"{reduction} of {tensor}")
            model.graph.node.append(helper.make_node(reduction, [tensor], [names[-1]], keepdims=0))
            model.graph.output.append(
                helper.make_tensor_value_info(names[-1], onnx.TensorProto.FLOAT, [])
            )
    session = cpu_session(model.SerializeToString())
    extremes = np.array([session.run(names, dict(batch)) for batch in batches])
    least = np.quantile(extremes[:, ::2], 1 - COVERED, axis=0)
    largest = np.quantile(extremes[:, 1::2], COVERED, axis=0)
    typical = np.stack([least, largest], axis=1).reshape(len(convs), 2, 2).tolist()
    return {
        conv.input[1]: ConvRange(tuple(taken), tuple(given))
        for conv, (taken, given) in zip(convs, typical, strict=True)
    }


def without(ranges: Mapping[str, ConvRange], weights: Collection[str]) -> dict[str, ConvRange]:
    """The ranges but those of some convolutions, which then stay in float32.

    Raises:
        ValueError: There is no such convolution.
    """
    if unknown := set(weights) - set(ranges):
        raise ValueError(
            f"there is no weight {', '.join(sorted(unknown))}; there are {', '.join(ranges)}"
        )
    return {weight: each for weight, each in ranges.items() if weight not in weights}


def quantise(graph: bytes, ranges: Mapping[str, ConvRange]) -> bytes:
    """A graph with the convolutions that have a range in 8 bits; all else stays float32.

    The same graph and ranges give the same bytes.

    Args:
        graph: An ONNX model.
        ranges: By the names of the convolutions' weights.

    Raises:
        ValueError: The graph has no such convolution, or its result is an output of the graph.
    """
    model = onnx.load_from_string(graph)
    convs = {node.input[1]: node for node in model.graph.node if node.op_type == "Conv"}
    for weight, measured in ranges.items():
        if weight not in convs:
            raise ValueError(f"the graph has no convolution of weight {weight}")
        if convs[weight].output[0] in {output.name for output in model.graph.output}:
            raise ValueError(f"the result of weight {weight} is the graph's: it stays in float32")
        _quantise(model, convs[weight], measured)
    check_readable(model)
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _quantise(model: ModelProto, conv: NodeProto, measured: ConvRange) -> None:
    weight = conv.input[1]
    conv.input[1], weight_scales = _quantise_weight(model, conv, weight)

    # The bias, in units of the products that it is added to
    scale = _scale(model, f"{weight}/input", measured.input)
    if len(conv.input) > 2:
        conv.input[2] = _quantise_bias(
            model, conv, conv.input[2], _step(measured.input) * weight_scales
        )

    # The input, quantised before it is moved
    first = _first_move(model, conv)
    quantised = f"{weight}/input/uint8"
    _insert(model, first, "QuantizeLinear", [first.input[0], *scale], quantised)
    first.input[0] = quantised
    _insert(model, conv, "DequantizeLinear", [conv.input[0], *scale], f"{weight}/input/float32")
    conv.input[0] = f"{weight}/input/float32"

    # The output, moved before it is dequantised
    scale = _scale(model, f"{weight}/output", measured.output)
    last = _last_move(model, conv)
    result, final = conv.output[0], f"{weight}/output/float32"
    moved = last.output[0]
    for user in _users(model, moved):
        user.input[:] = [final if tensor == moved else tensor for tensor in user.input]
    _insert(model, last, "DequantizeLinear", [moved, *scale], final, after=True)
    conv.output[0] = f"{weight}/convolved"
    _insert(model, conv, "QuantizeLinear", [conv.output[0], *scale], result, after=True)


def _quantise_weight(
    model: ModelProto, conv: NodeProto, weight: str
) -> tuple[str, NDArray[np.float32]]:
    """Adds a weight in int8, symmetric per output channel; returns its name and its scales."""
    values = _initial_value(model, weight)  # (O, I, K, K)
    scales = np.abs(values).max(axis=(1, 2, 3)) / np.float32(127)
    scales[scales == 0] = 1
    rounded = np.rint(values / scales[:, None, None, None]).astype(np.int8)
    return _dequantised(model, conv, weight, rounded, scales), scales


def _quantise_bias(
    model: ModelProto, conv: NodeProto, bias: str, scales: NDArray[np.float32]
) -> str:
    """Adds a bias in int32; returns its name."""
    rounded = np.rint(_initial_value(model, bias) / scales).astype(np.int32)
    return _dequantised(model, conv, bias, rounded, scales)


def _initial_value(model: ModelProto, name: str) -> NDArray[np.float32]:
    (stored,) = (each for each in model.graph.initializer if each.name == name)
    values: NDArray[np.float32] = numpy_helper.to_array(stored)
    return values


def _dequantised(
    model: ModelProto,
    conv: NodeProto,
    name: str,
    rounded: NDArray[Any],
    scales: NDArray[np.float32],
) -> str:
    """Stores integers, in the place of values without another use; returns the result's name."""
    integers = numpy_helper.from_array(rounded, f"{name}/{rounded.dtype}")
    if len(_users(model, name)) == 1:
        (stored,) = (each for each in model.graph.initializer if each.name == name)
        stored.CopyFrom(integers)
    else:
        model.graph.initializer.append(integers)
    inputs = [
        integers.name,
        _constant(model, f"{name}/scale", scales),
        _constant(model, f"{name}/zero_point", np.zeros(len(scales), rounded.dtype)),
    ]
    _insert(model, conv, "DequantizeLinear", inputs, f"{name}/float32", axis=0)
    return f"{name}/float32"


def _step(measured: tuple[float, float]) -> np.float32:
    """The scale of a range that is widened to hold 0, in 255 steps."""
    least, largest = min(*measured, 0.0), max(*measured, 0.0)
    return np.float32((largest - least) / 255 or 1)


def _scale(model: ModelProto, name: str, measured: tuple[float, float]) -> list[str]:
    """Adds the scale and the zero point that map a range, and 0, to uint8; returns the names."""
    scale = _step(measured)
    zero_point = np.uint8(np.clip(round(-min(*measured, 0.0) / float(scale)), 0, 255))
    return [
        _constant(model, f"{name}/scale", np.array(scale)),
        _constant(model, f"{name}/zero_point", np.array(zero_point)),
    ]


def _constant(model: ModelProto, name: str, value: NDArray[Any]) -> str:
    model.graph.initializer.append(numpy_helper.from_array(value, name))
    return name


def _insert(
    model: ModelProto,
    beside: NodeProto,
    operator: str,
    inputs: list[str],
    output: str,
    after: bool = False,
    **attributes: Any,
) -> None:
    """Adds a node right before another one, or right after it."""
    (place,) = (at for at, node in enumerate(model.graph.node) if node is beside or node == beside)
    node = helper.make_node(operator, inputs, [output], **attributes)
    model.graph.node.insert(place + after, node)


def _users(model: ModelProto, tensor: str) -> list[NodeProto]:
    return [node for node in model.graph.node if tensor in node.input]


def _first_move(model: ModelProto, conv: NodeProto) -> NodeProto:
    """The first of the moves that lead to a convolution and nowhere else, or the convolution."""
    producers = {output: node for node in model.graph.node for output in node.output}
    first = conv
    while (
        (before := producers.get(first.input[0])) is not None
        and before.op_type in _MOVES
        and len(_users(model, before.output[0])) == 1
    ):
        first = before
    return first


def _last_move(model: ModelProto, conv: NodeProto) -> NodeProto:
    """The last of the moves that follow a convolution and no other use of it."""
    last = conv
    while (
        len(users := _users(model, last.output[0])) == 1
        and users[0].op_type in _MOVES
        and users[0].op_type != "Pad"  # it belongs to the next convolution
    ):
        last = users[0]
    return last
