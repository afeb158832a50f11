"""The description of a served model, which a family returns and `publish` takes."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from torch import Tensor, nn

Inputs = Mapping[str, Tensor]
"""The tensors of one batch by input name, batch first."""


@dataclass(frozen=True)
class Output:
    """An output of a graph.

    Attributes:
        shape: Its dimensions, dynamic ones by name; a name shared with an input's axis is its size.
        tolerance: Largest difference of ONNX Runtime from PyTorch, in the output's own units.
    """

    shape: tuple[int | str, ...]
    tolerance: float


@dataclass(frozen=True)
class Graph:
    """What becomes the model.onnx of a served model.

    Attributes:
        module: Computes the outputs, in their order, from the inputs; `forward` has their names.
        reference: The network as it was trained, with the same inputs and outputs; `module` may
            compute the same in another way.
        example: A batch of two to trace the module with. The size of a dynamic axis must differ
            from every other size.
        dynamic_axes: For each input, the names of its dynamic axes.
        outputs: The outputs by name.
        parity_batches: Batches on which ONNX Runtime is compared with the reference.
    """

    module: nn.Module
    reference: nn.Module
    example: Inputs
    dynamic_axes: Mapping[str, Mapping[int, str]]
    outputs: Mapping[str, Output]
    parity_batches: Callable[[], Iterator[Inputs]]


@dataclass(frozen=True)
class ConvRange:
    """The values that a convolution takes and gives: least and largest of each."""

    input: tuple[float, float]
    output: tuple[float, float]


@dataclass(frozen=True)
class Quantised:
    """What becomes the model.int8.onnx beside a model.onnx.

    Attributes:
        ranges: Of the convolutions in 8 bits, see `onnx_graph.quantisation`.
        mean_differences: By output, the largest mean difference from PyTorch's over the batches of
            the parity, in the output's own units.
    """

    ranges: Mapping[str, ConvRange]
    mean_differences: Mapping[str, float]


@dataclass(frozen=True)
class Profile:
    """The shapes of an input, batch first, that a TensorRT engine is built for."""

    smallest: tuple[int, ...]
    typical: tuple[int, ...]
    largest: tuple[int, ...]

    @classmethod
    def of_batches(cls, largest: int, *shape: int) -> Self:
        """Of an input where the batch alone differs; whole batches are typical."""
        return cls((1, *shape), (largest, *shape), (largest, *shape))


@dataclass(frozen=True)
class GpuServing:
    """How a model is served on a GPU, where that differs; see `gpu_configs`.

    Attributes:
        profiles: The shapes by input.
        batching: Whether dynamic batching is added to the configuration.
    """

    profiles: Mapping[str, Profile]
    batching: bool = False


@dataclass(frozen=True)
class ServedModel:
    """A folder of the model repository.

    Attributes:
        name: The model's name.
        config: The text of its config.pbtxt.
        graph: What is exported to model.onnx; None for a model in Python, whose code no export
            writes. Then the configuration and the files beside it are all that is published, where
            the model lies in the repository.
        quantised: What is written beside it in 8 bits; None for nothing.
        half_differences: With numbers, the graph with convolutions in 16 bits is written beside it
            for GPUs; they are the largest mean differences from PyTorch's by output.
        gpu: How GPUs serve it; None for a model without a network.
        model_files: Files beside config.pbtxt, such as labels, by name.
        provenance: What the manifest says about the network, as plain JSON.
    """

    name: str
    config: str
    graph: Graph | None = None
    quantised: Quantised | None = None
    half_differences: Mapping[str, float] | None = None
    gpu: GpuServing | None = None
    model_files: Mapping[str, bytes] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
