"""From a PyTorch module to the bytes of the ONNX model that is served."""

import contextlib
import logging
import warnings
from collections.abc import Iterator

import onnx
import torch

from atelier_export.publishing.served_model import Graph

OPSET = 20
NEWEST_OPSET = 21
"""The newest operator set that ONNX Runtime 1.19 reads, the one in Triton 24.10."""
NEWEST_IR = 10
"""The newest file format that ONNX Runtime 1.19 reads."""


def export_graph(graph: Graph) -> bytes:
    """Exports a module.

    With the same versions of torch, onnx and onnxscript, the same weights give the same bytes on
    every run: nothing of the machine or of the source code is left in the file.

    Raises:
        ValueError: The graph needs a newer runtime than Triton 24.10 has.
    """
    with _quiet_exporter():
        program = torch.onnx.export(
            graph.module.eval(),
            tuple(graph.example.values()),
            input_names=list(graph.example),
            output_names=list(graph.outputs),
            dynamic_shapes={name: dict(axes) for name, axes in graph.dynamic_axes.items()},
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    strip_provenance(model)
    name_output_sizes(model, graph)
    check_readable(model)
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


@contextlib.contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Hides the exporter's warnings about its own code, torchvision, and the shared batch axis."""
    registration = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = registration.level
    registration.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*LeafSpec.* is deprecated", FutureWarning)
            warnings.filterwarnings("ignore", "# The axis name: batch will not be used")
            yield
    finally:
        registration.setLevel(level)


def strip_provenance(model: onnx.ModelProto) -> None:
    """Removes traces of the machine, the source code and the version of the exporter."""
    graph = model.graph
    model.producer_name = "atelier"
    model.producer_version = ""
    del graph.value_info[:]
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]


def name_output_sizes(model: onnx.ModelProto, graph: Graph) -> None:
    """Names the outputs' dimensions, for which the exporter writes expressions."""
    for output in model.graph.output:
        dimensions = output.type.tensor_type.shape.dim
        del dimensions[:]
        for size in graph.outputs[output.name].shape:
            if isinstance(size, str):
                dimensions.add(dim_param=size)
            else:
                dimensions.add(dim_value=size)


def check_readable(model: onnx.ModelProto) -> None:
    """Refuses what ONNX Runtime 1.19 (Triton 24.10) cannot read; raises ValueError."""
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    if set(opsets) != {""} or opsets[""] > NEWEST_OPSET:
        raise ValueError(
            f"the graph needs operator sets {opsets}, Triton 24.10 reads {NEWEST_OPSET}"
        )
    if model.ir_version > NEWEST_IR:
        raise ValueError(
            f"the graph has IR version {model.ir_version}, Triton 24.10 reads {NEWEST_IR}"
        )
