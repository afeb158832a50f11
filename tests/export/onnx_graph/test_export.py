import onnx
import pytest
from onnx import TensorProto, helper

from atelier_export.onnx_graph.export import NEWEST_IR, NEWEST_OPSET, check_readable


def model() -> onnx.ModelProto:
    """The identity, in the newest formats that Triton 24.10 reads."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "identity",
        [value("x", TensorProto.FLOAT, [1])],
        [value("y", TensorProto.FLOAT, [1])],
    )
    opset = helper.make_opsetid("", NEWEST_OPSET)
    return helper.make_model(graph, opset_imports=[opset], ir_version=NEWEST_IR)


def test_the_newest_formats_of_the_oldest_release_are_allowed():
    check_readable(model())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda model: setattr(model.opset_import[0], "version", 22), "operator sets"),
        (lambda model: model.opset_import.add(domain="com.microsoft", version=1), "com.microsoft"),
        (lambda model: setattr(model, "ir_version", 11), "IR version 11"),
    ],
)
def test_a_graph_for_newer_releases_alone_is_refused(change, message):
    changed = model()
    change(changed)
    with pytest.raises(ValueError, match=message):
        check_readable(changed)
