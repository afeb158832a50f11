"""Models that a server must not load, and what it says about each."""

from __future__ import annotations

import pytest
from onnx import TensorProto as Onnx

from atelier_serving import TritonServer
from atelier_serving.errors import StartError

IDENTITY = [("Identity", ["x"], ["y"])]
ROWS = (Onnx.FLOAT, ["batch", 2])
GOOD_IO = """
input [{ name: "x" data_type: TYPE_FP32 dims: [2] }]
output [{ name: "y" data_type: TYPE_FP32 dims: [2] }]
"""
CONFIGS = {
    "wrong_name": GOOD_IO.replace('"y"', '"z"'),
    "wrong_type": GOOD_IO.replace("TYPE_FP32", "TYPE_FP64"),
    "wrong_shape": GOOD_IO.replace("[2]", "[3]"),
    "wrong_accelerator": GOOD_IO
    + 'optimization { execution_accelerators { cpu_execution_accelerator: [{ name: "magic" }] } }',
    "wrong_threads": GOOD_IO
    + 'parameters { key: "intra_op_thread_count" value { string_value: "many" } }',
}
EXPECTED = {
    "wrong_name": "the model has no output 'z'; it has 'y'",
    "wrong_type": "input 'x' has data type TYPE_FP64 in the configuration",
    "wrong_shape": "input 'x' has the shape [-1, 3] in the configuration",
    "wrong_accelerator": "'magic' is no cpu_execution_accelerator",
    "wrong_threads": "parameter 'intra_op_thread_count' is 'many'",
    "bfloat16": "input 'x' of the model is a tensor(bfloat16)",
    "cannot_batch": "max_batch_size is 4, but the model cannot batch",
    "not_a_model": "INVALID_PROTOBUF",
}


@pytest.fixture(scope="module")
def log(tmp_path_factory, save_onnx):
    """What a server says that is started on nothing but broken models."""
    root = tmp_path_factory.mktemp("refused")

    def add(name, config, *graph, **options):
        save_onnx(root / name / "1" / "model.onnx", *graph, **options)
        text = f'platform: "onnxruntime_onnx"\ninstance_group [{{ count: 1 }}]\n{config}'
        (root / name / "config.pbtxt").write_text(text)

    for name, config in CONFIGS.items():
        add(name, f"max_batch_size: 4 {config}", IDENTITY, {"x": ROWS}, {"y": ROWS})
    narrow = (Onnx.BFLOAT16, ["batch", 2])
    add("bfloat16", "", IDENTITY, {"x": narrow}, {"y": narrow})
    fixed = (Onnx.FLOAT, [1, 2])
    add("cannot_batch", "max_batch_size: 4", IDENTITY, {"x": fixed}, {"y": fixed})
    add("not_a_model", "", IDENTITY, {"x": ROWS}, {"y": ROWS})
    (root / "not_a_model" / "1" / "model.onnx").write_bytes(b"not a model")
    lines = []
    with pytest.raises(StartError):
        TritonServer(root, log=lines.append).start()
    return lines


@pytest.mark.parametrize("model", EXPECTED)
def test_the_server_says_why(log, model):
    about = [line for line in log if f"failed to load '{model}'" in line and "version 1" in line]
    assert len(about) == 1, "\n".join(log)
    assert EXPECTED[model] in about[0]
