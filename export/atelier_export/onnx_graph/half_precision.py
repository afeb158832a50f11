"""A graph with its convolutions in 16-bit floats, for GPUs.

The types are in the graph itself, for TensorRT 11 takes no other precision than a graph's. Beside
convolutions, sums, ReLUs and moves whose results go to such nodes alone are in 16 bits, and so are
moves of what they give. All else stays in float32: above all instance normalisation, the squares of
whose variance exceed 16 bits.
"""

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from atelier_export.onnx_graph.export import check_readable

_MOVES = frozenset({"Pad", "Reshape", "Slice", "Transpose"})
"""Operators whose output holds only values of their input."""
_BEFORE = _MOVES | {"Add", "Relu"}
"""Operators that are computed in 16 bits where all who use the result do so."""


def to_half_precision(graph: bytes) -> bytes:
    """Converts a float32 graph; its inputs and outputs keep their types.

    The same graph gives the same bytes.

    Args:
        graph: An ONNX model.

    Raises:
        ValueError: An output of the graph would be in 16 bits.
    """
    model = onnx.load_from_string(graph)
    floats = _float_tensors(model)
    half = _half_nodes(model, floats)
    made = {output for at in half for output in model.graph.node[at].output}
    if made & {output.name for output in model.graph.output}:
        raise ValueError("an output of the graph is a convolution's own: it would be in 16 bits")

    # Weights
    wanted = {name for at in half for name in model.graph.node[at].input if name in floats}
    weights = {stored.name for stored in model.graph.initializer} & wanted
    for stored in model.graph.initializer:
        if stored.name in weights:
            values = numpy_helper.to_array(stored).astype(np.float16)
            stored.CopyFrom(numpy_helper.from_array(values, stored.name))

    # Casts, each once, right before its first use
    nodes: list[NodeProto] = []
    cast: set[str] = set()
    for at, node in enumerate(model.graph.node):
        for place, name in enumerate(node.input):
            if name in floats - weights and (at in half) != (name in made):
                element, suffix = (
                    (TensorProto.FLOAT16, "float16")
                    if at in half
                    else (TensorProto.FLOAT, "float32")
                )
                converted = f"{name}/{suffix}"
                if converted not in cast:
                    cast.add(converted)
                    nodes.append(helper.make_node("Cast", [name], [converted], to=element))
                node.input[place] = converted
        nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    check_readable(model)
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _float_tensors(model: ModelProto) -> set[str]:
    """The names of all float32 tensors."""
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    typed = (*inferred.value_info, *inferred.input, *inferred.output)
    return {each.name for each in typed if each.type.tensor_type.elem_type == TensorProto.FLOAT} | {
        each.name for each in model.graph.initializer if each.data_type == TensorProto.FLOAT
    }


def _half_nodes(model: ModelProto, floats: set[str]) -> set[int]:
    """The places of the nodes that compute in 16 bits."""
    nodes = list(enumerate(model.graph.node))
    users: dict[str, list[int]] = {}
    for at, node in nodes:
        for name in node.input:
            users.setdefault(name, []).append(at)
    half = {at for at, node in nodes if node.op_type == "Conv"}
    # Nodes are in the order of computation: backwards, all who use a result are known.
    for at, node in reversed(nodes):
        using = users.get(node.output[0], [])
        if (
            node.op_type in _BEFORE
            and node.output[0] in floats
            and using
            and half.issuperset(using)
        ):
            half.add(at)
    # Forwards: what a convolution gives is moved in 16 bits too.
    made = {output for at in half for output in model.graph.node[at].output}
    for at, node in nodes:
        if node.op_type in _MOVES and node.input[0] in made:
            half.add(at)
            made.update(node.output)
    return half
