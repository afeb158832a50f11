import numpy as np
import onnx
import onnxruntime
import pytest

from atelier_export.onnx_graph.quantisation import COVERED, measure_ranges, quantise, without
from atelier_export.publishing.served_model import ConvRange

NETWORK = """
<ir_version: 10, opset_import: ["" : 20]>
network (float[batch, 3, height, width] x) => (float[batch, 4, h, w] y)
{
    pads = Constant <value = int64[8] {0, 0, 1, 1, 0, 0, 1, 1}> ()
    padded = Pad <mode = "reflect"> (x, pads)
    convolved = Conv (padded, first, offset)
    moved = Transpose <perm = [0, 1, 3, 2]> (convolved)
    positive = Relu (moved)
    y = Conv (positive, second, bias)
}
"""


@pytest.fixture(scope="module")
def graph() -> bytes:
    model = onnx.parser.parse_model(NETWORK)
    random = np.random.default_rng(0)
    for name, shape in {
        "first": (4, 3, 3, 3),
        "offset": (4,),
        "second": (4, 4, 1, 1),
        "bias": (4,),
    }.items():
        values = random.normal(size=shape).astype("f")
        model.graph.initializer.append(onnx.numpy_helper.from_array(values, name))
    return model.SerializeToString()


@pytest.fixture(scope="module")
def batches() -> list[dict[str, np.ndarray]]:
    random = np.random.default_rng(1)
    return [{"x": random.uniform(-1, 2, (2, 3, 9, 11)).astype("f")} for _ in range(3)]


@pytest.fixture(scope="module")
def ranges(graph, batches) -> dict[str, ConvRange]:
    return measure_ranges(graph, batches)


def run(graph: bytes, batch: dict[str, np.ndarray]) -> np.ndarray:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    return session.run(None, batch)[0]


def test_ranges_are_those_of_inputs_and_outputs(graph, batches, ranges):
    assert list(ranges) == ["first", "second"]
    assert ranges["first"].input == pytest.approx((-1, 2), abs=0.02)
    outputs = [run(graph, batch) for batch in batches]
    assert ranges["second"].output == pytest.approx(
        (
            np.quantile([each.min() for each in outputs], 1 - COVERED),
            np.quantile([each.max() for each in outputs], COVERED),
        )
    )


def test_eight_bits_are_near_float32_and_not_equal(graph, batches, ranges):
    quantised = quantise(graph, {"first": ranges["first"]})
    one, other = run(graph, batches[0]), run(quantised, batches[0])
    assert 0 < np.abs(one - other).mean() < 0.02 * np.abs(one).max()


def test_only_convolutions_with_a_range_are_in_eight_bits(graph, ranges):
    model = onnx.load_from_string(quantise(graph, {"first": ranges["first"]}))
    types = {each.name: each.data_type for each in model.graph.initializer}
    assert types["first/int8"] == onnx.TensorProto.INT8
    assert types["second"] == onnx.TensorProto.FLOAT
    assert "first" not in types


def test_values_are_moved_in_eight_bits(graph, ranges):
    model = onnx.load_from_string(quantise(graph, {"first": ranges["first"]}))
    pad = next(node for node in model.graph.node if node.op_type == "Pad")
    transpose = next(node for node in model.graph.node if node.op_type == "Transpose")
    producers = {node.output[0]: node.op_type for node in model.graph.node}
    assert producers[pad.input[0]] == producers[transpose.input[0]] == "QuantizeLinear"


def test_the_same_ranges_give_the_same_bytes(graph, ranges):
    first = {"first": ranges["first"]}
    assert quantise(graph, first) == quantise(graph, dict(first))
    other = ConvRange((-1, 1), first["first"].output)
    assert quantise(graph, first) != quantise(graph, {"first": other})


def test_a_bias_is_an_integer_of_the_unit_of_the_products(graph, ranges):
    before, after = (
        {
            each.name: onnx.numpy_helper.to_array(each)
            for each in onnx.load_from_string(model).graph.initializer
        }
        for model in (graph, quantise(graph, {"first": ranges["first"]}))
    )
    unit = after["first/input/scale"] * after["first/scale"]
    assert after["offset/scale"] == pytest.approx(unit)
    assert after["offset/int32"] * unit == pytest.approx(before["offset"], abs=float(unit.max()))


def test_a_weight_with_another_use_stays_for_it(graph, ranges):
    model = onnx.load_from_string(graph)
    model.graph.node.append(onnx.helper.make_node("Abs", ["first"], ["size"]))
    shape = onnx.helper.make_tensor_value_info("size", onnx.TensorProto.FLOAT, (4, 3, 3, 3))
    model.graph.output.append(shape)
    both = quantise(model.SerializeToString(), {"first": ranges["first"]})
    types = {each.name: each.data_type for each in onnx.load_from_string(both).graph.initializer}
    assert types["first"] == onnx.TensorProto.FLOAT
    assert types["first/int8"] == onnx.TensorProto.INT8


def test_an_output_of_the_graph_stays_in_float32(graph, ranges):
    with pytest.raises(ValueError, match="result of weight second is the graph's"):
        quantise(graph, {"second": ranges["second"]})


def test_a_convolution_that_is_not_there_cannot_stay_in_float32(ranges):
    assert list(without(ranges, {"first"})) == ["second"]
    with pytest.raises(ValueError, match="there is no weight third; there are first, second"):
        without(ranges, {"third"})


def test_a_range_of_no_such_convolution_is_refused(graph, ranges):
    with pytest.raises(ValueError, match="no convolution of weight third"):
        quantise(graph, {"third": ranges["second"]})
