"""ONNX models of many kinds, written with onnx.helper."""

from __future__ import annotations

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnx
import pytest
from onnx import helper


@pytest.fixture(scope="session")
def save_onnx():
    """A function that writes a model: tensors are given as {name: (element type, shape)}."""

    def save(path, nodes, inputs, outputs, *, initializers=(), opset=17, ir_version=8):
        def values(tensors):
            return [helper.make_tensor_value_info(name, *spec) for name, spec in tensors.items()]

        graph = helper.make_graph(
            [helper.make_node(*node[:3], **(node[3] if len(node) > 3 else {})) for node in nodes],
            "graph",
            values(inputs),
            values(outputs),
            list(initializers),
        )
        opsets = [helper.make_opsetid("", opset)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=ir_version)
        onnx.checker.check_model(model)
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(model, path)
        return path

    return save
