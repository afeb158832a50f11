"""From a style network to the bytes of the ONNX model that is served."""

import contextlib
import logging
import warnings
from collections.abc import Iterator

import onnx
import torch
from torch import Tensor, nn

from atelier_export.style.network import StyleNetwork
from atelier_export.style.polyphase import rewrite_for_inference

OPSET = 20
NEWEST_OPSET = 21
"""The newest operator set that ONNX Runtime 1.19 reads, the one in Triton 24.10."""
NEWEST_IR = 10
"""The newest file format that ONNX Runtime 1.19 reads."""


class ServedStyle(nn.Module):
    """A style network with the pixels as they are on the wire."""

    def __init__(self, network: StyleNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor, style: Tensor) -> Tensor:
        """Repaints a batch.

        Args:
            image: (B, H, W, 3) uint8, RGB; H and W at least 16.
            style: (B, S) float32, one weight a style.

        Returns:
            (B, H, W, 3) uint8, RGB, rounded to the nearest value.
        """
        x = image.permute(0, 3, 1, 2).float() / 255  # (B, 3, H, W)
        y: Tensor = self.network(x, style) * 255
        return y.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


def style_graph(network: StyleNetwork) -> bytes:
    """Exports a network as it is served: `image`, `style` -> `stylized`, see `ServedStyle`.

    Batch, height and width are dynamic. With the same versions of torch, onnx and onnxscript, the
    same weights give the same bytes on every run: nothing of the machine or of the source code is
    left in the file.

    Raises:
        ValueError: The graph needs a newer runtime than Triton 24.10 has.
    """
    served = ServedStyle(rewrite_for_inference(network)).eval()
    # Sizes that no other dimension of the network has, so that none is taken for a constant.
    image = torch.zeros(2, 66, 98, 3, dtype=torch.uint8)
    style = torch.zeros(2, network.config.styles)
    with _quiet_exporter():
        program = torch.onnx.export(
            served,
            (image, style),
            input_names=["image", "style"],
            output_names=["stylized"],
            dynamic_shapes={
                "image": {0: "batch", 1: "height", 2: "width"},
                "style": {0: "batch"},
            },
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    strip_provenance(model)
    name_output_sizes(model)
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
    """Removes what tells about the machine, the source code and the version of the exporter."""
    graph = model.graph
    model.producer_name = "atelier"
    model.producer_version = ""
    del graph.value_info[:]
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]


def name_output_sizes(model: onnx.ModelProto) -> None:
    """Says that the output has the size of the input; the exporter writes it as a formula."""
    image, stylized = model.graph.input[0], model.graph.output[0]
    stylized.type.tensor_type.shape.CopyFrom(image.type.tensor_type.shape)


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
