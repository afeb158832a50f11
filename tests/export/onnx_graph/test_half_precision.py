import numpy as np
import onnx
import pytest
from onnx import TensorProto

from atelier_export.onnx_graph.half_precision import to_half_precision
from atelier_export.onnx_graph.runtime import cpu_session

NETWORK = """
<ir_version: 10, opset_import: ["" : 20]>
network (float[batch, 3, height, width] x) => (float[batch, 4, h, w] y)
{
    pads = Constant <value = int64[8] {0, 0, 1, 1, 0, 0, 1, 1}> ()
    doubled = Mul (x, x)
    padded = Pad <mode = "reflect"> (doubled, pads)
    convolved = Conv (padded, first)
    moved = Transpose <perm = [0, 1, 3, 2]> (convolved)
    normal = InstanceNormalization (moved, scale, shift)
    positive = Relu (normal)
    second_result = Conv (positive, second, bias)
    y = Sigmoid (second_result)
}
"""
SHAPES = {"first": (4, 3, 3, 3), "second": (4, 4, 1, 1), "bias": (4,), "scale": (4,), "shift": (4,)}


@pytest.fixture(scope="module")
def graph():
    model = onnx.parser.parse_model(NETWORK)
    random = np.random.default_rng(0)
    for name, shape in SHAPES.items():
        values = random.normal(size=shape).astype("f")
        model.graph.initializer.append(onnx.numpy_helper.from_array(values, name))
    return model.SerializeToString()


@pytest.fixture(scope="module")
def half(graph):
    return onnx.load_from_string(to_half_precision(graph))


def test_only_the_weights_of_convolutions_are_in_16_bits(half):
    types = {stored.name: stored.data_type for stored in half.graph.initializer}
    assert types == {
        **dict.fromkeys(("first", "second", "bias"), TensorProto.FLOAT16),
        **dict.fromkeys(("scale", "shift"), TensorProto.FLOAT),
    }


def test_values_between_convolutions_are_in_16_bits_and_normalised_in_32(half):
    inferred = onnx.shape_inference.infer_shapes(half, strict_mode=True).graph
    types = {each.name: each.type.tensor_type.elem_type for each in inferred.value_info}
    in_16 = {name for name, element in types.items() if element == TensorProto.FLOAT16}
    # The first product, the normalisation and the last operator are in 32.
    assert in_16 == {
        *("doubled/float16", "padded", "convolved", "moved"),
        *("normal/float16", "positive", "second_result"),
    }


def test_results_are_near_and_types_outside_the_same(graph, half):
    values = np.random.default_rng(1).uniform(-1, 2, (2, 3, 9, 11)).astype("f")
    one, other = (
        cpu_session(each).run(None, {"x": values})[0] for each in (graph, half.SerializeToString())
    )
    assert one.dtype == other.dtype == np.float32
    assert 0 < np.abs(one - other).max() < 0.01


def test_the_same_graph_gives_the_same_bytes(graph):
    assert to_half_precision(graph) == to_half_precision(graph)


def test_an_output_that_would_change_its_type_is_refused(graph):
    model = onnx.load_from_string(graph)
    del model.graph.node[-1:]
    model.graph.output[0].name = "second_result"
    with pytest.raises(ValueError, match="it would be in 16 bits"):
        to_half_precision(model.SerializeToString())
