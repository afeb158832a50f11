"""An example request of a model, from what its configuration says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc.model_config_pb2 import DataType, ModelConfig
from tritonclient.utils import triton_to_np_dtype


class ExampleError(ValueError):
    """No example can be made of the configuration; the message says why and what to do."""


def example(config: ModelConfig, shapes: Mapping[str, Sequence[int]]) -> dict[str, NDArray[Any]]:
    """Makes the inputs of one request, of batch size 1 where the model has batches.

    Args:
        config: The model's configuration. Its first warm-up request gives shapes and says which
            inputs are zero; the others are random, the same in each process.
        shapes: Shapes by input, without the batch; they come before those of the configuration.

    Raises:
        ExampleError: A shape is unknown or does not belong to any input, or an input is text.
    """
    names = [tensor.name for tensor in config.input]
    for name in shapes:
        if name not in names:
            raise ExampleError(f"{config.name} has no input {name!r}: it has {', '.join(names)}")
    warm_up = config.model_warmup[0].inputs if config.model_warmup else {}
    random = np.random.default_rng(0)
    inputs: dict[str, NDArray[Any]] = {}
    for tensor in config.input:
        data_type = DataType.Name(tensor.data_type).removeprefix("TYPE_")
        if data_type == "STRING":
            raise ExampleError(
                f"input {tensor.name!r} of {config.name} is text or files, of which no example can "
                "be made: tune the models behind it"
            )
        given = warm_up.get(tensor.name, tensor)
        shape = tuple(shapes.get(tensor.name, given.dims))
        if min(shape, default=1) < 1:
            raise ExampleError(
                f"the shape {list(shape)} of input {tensor.name!r} is open: give "
                f"--shape {tensor.name}:{','.join('256' if n < 1 else str(n) for n in shape)}"
            )
        shape = (1, *shape) if config.max_batch_size else shape
        dtype = np.dtype(triton_to_np_dtype(data_type))
        zero = tensor.name in warm_up and warm_up[tensor.name].zero_data
        if zero or dtype.kind == "b":
            inputs[tensor.name] = np.zeros(shape, dtype)
        elif dtype.kind == "f":
            inputs[tensor.name] = random.random(shape).astype(dtype)
        else:
            most = 256 if dtype == np.uint8 else 2
            inputs[tensor.name] = random.integers(0, most, shape).astype(dtype)
    return inputs
