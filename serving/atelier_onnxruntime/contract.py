"""What a model's configuration and its ONNX file must agree on. Pure functions.

`complete` fills in what the configuration leaves open, `check` refuses what does not fit. Shapes
are written as in a Triton configuration: -1 is a dimension of any size.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass

from atelier_onnxruntime.parameters import DEFAULT_MAX_BATCH_SIZE, Config, ConfigError

_TRITON_TYPES = {
    "bool": "TYPE_BOOL",
    "uint8": "TYPE_UINT8",
    "uint16": "TYPE_UINT16",
    "uint32": "TYPE_UINT32",
    "uint64": "TYPE_UINT64",
    "int8": "TYPE_INT8",
    "int16": "TYPE_INT16",
    "int32": "TYPE_INT32",
    "int64": "TYPE_INT64",
    "float16": "TYPE_FP16",
    "float": "TYPE_FP32",
    "double": "TYPE_FP64",
    "string": "TYPE_STRING",
}
_SUPPORTED = ", ".join(_TRITON_TYPES.values())


@dataclass(frozen=True)
class Tensor:
    """An input or output of an ONNX model.

    Attributes:
        onnx_type: ONNX Runtime's word for its elements, such as "float" or "bfloat16".
        shape: Its dimensions, -1 where the model leaves one open; () for a scalar.
    """

    onnx_type: str
    shape: tuple[int, ...]

    @property
    def data_type(self) -> str:
        """The type in a Triton configuration; "TYPE_INVALID" where there is none."""
        return _TRITON_TYPES.get(self.onnx_type, "TYPE_INVALID")


@dataclass(frozen=True)
class Signature:
    """The tensors of an ONNX model by name, in the model's order.

    Attributes:
        inputs: What every request must bring.
        defaults: Initializers that a request may override.
        outputs: What the model returns.
    """

    inputs: dict[str, Tensor]
    defaults: dict[str, Tensor]
    outputs: dict[str, Tensor]


def complete(
    config: Config, signature: Signature, default_max_batch_size: int = DEFAULT_MAX_BATCH_SIZE
) -> Config:
    """Returns the configuration with the missing side filled in from the model.

    Inputs are filled in if the configuration lists none, outputs likewise; a side that lists
    anything is left alone, and where both do, nothing changes. A model whose every tensor has an
    open first dimension can batch: it gets a `max_batch_size` and dynamic batching, unless the
    configuration names another scheduler.

    Raises:
        ConfigError: `max_batch_size` is set and the model cannot batch, or a tensor is of a type
            that cannot be exchanged.
    """
    if is_complete(config):
        return config
    completed = copy.deepcopy(config)
    tensors = [*signature.inputs.values(), *signature.outputs.values()]
    if all(tensor.shape[:1] == (-1,) for tensor in tensors):
        completed["max_batch_size"] = config["max_batch_size"] or default_max_batch_size
        scheduled = "sequence_batching" in config or "dynamic_batching" in config
        if completed["max_batch_size"] > 1 and not scheduled:
            completed["dynamic_batching"] = {}
    elif config["max_batch_size"]:
        raise ConfigError(
            f"max_batch_size is {config['max_batch_size']}, but the model cannot batch: not every "
            f"input and output has an open first dimension; set max_batch_size to 0"
        )
    batches = completed["max_batch_size"] > 0
    if not (config.get("input") or config.get("batch_input")):
        completed["input"] = _listing("input", signature.inputs, batches)
    if not config.get("output"):
        completed["output"] = _listing("output", signature.outputs, batches)
    return completed


def is_complete(config: Config) -> bool:
    """Tells whether the configuration lists both inputs and outputs."""
    return bool((config.get("input") or config.get("batch_input")) and config.get("output"))


def _listing(role: str, tensors: dict[str, Tensor], batches: bool) -> list[Config]:
    listing = []
    for name, tensor in tensors.items():
        if tensor.data_type == "TYPE_INVALID":
            raise ConfigError(
                f"{role} '{name}' of the model is a tensor({tensor.onnx_type}), which this backend "
                f"does not exchange: cast it to one of {_SUPPORTED} in the model"
            )
        dims = list(tensor.shape[batches:])
        entry: Config = {"name": name, "data_type": tensor.data_type, "dims": dims or [1]}
        if not dims and batches:
            entry["reshape"] = {"shape": []}
        listing.append(entry)
    return listing


def check(config: Config, signature: Signature) -> None:
    """Checks that the configuration fits the model.

    Every input of the model must be listed, outputs may be a subset. Data types must be equal. A
    dimension that the model fixes must be equal; one that it leaves open takes any size in an
    input, and must be -1 in an output. With `max_batch_size` above 0 the model's first dimension
    must be open, and `dims` leaves it out.

    Raises:
        ConfigError: It does not fit; the message names the tensor and says what to change.
    """
    batches = config["max_batch_size"] > 0
    inputs = config.get("input", [])
    _check_scheduling(config)
    controls = _sequence_controls(config)
    required = {entry["name"] for entry in inputs if not entry.get("optional")} | controls.keys()
    if required != signature.inputs.keys():
        raise ConfigError(
            f"the configuration lists {len(required)} inputs ({_names(required)}), "
            f"the model has {len(signature.inputs)} ({_names(signature.inputs)}); list each of them"
        )
    accepted = signature.defaults | signature.inputs
    for entry in inputs:
        if entry.get("optional") and batches:
            raise ConfigError(
                f"input '{entry['name']}' is optional, which needs max_batch_size 0, "
                f"not {config['max_batch_size']}"
            )
        _check_tensor("input", entry, accepted, batches)
    for name, data_type in controls.items():
        _check_tensor(
            "sequence control",
            {"name": name, "data_type": data_type, "dims": [1]},
            accepted,
            batches,
        )
    for entry in config.get("output", []):
        _check_tensor("output", entry, signature.outputs, batches)


def _check_scheduling(config: Config) -> None:
    """Refuses the few ways of scheduling that the embedded server cannot give."""
    ragged = any(entry.get("allow_ragged_batch") for entry in config.get("input", []))
    asked = {
        "allow_ragged_batch": ragged,
        "batch_input": config.get("batch_input"),
        "batch_output": config.get("batch_output"),
        "sequence_batching.state": config.get("sequence_batching", {}).get("state"),
        "decoupled": config.get("model_transaction_policy", {}).get("decoupled"),
    }
    for field, value in asked.items():
        if value:
            raise ConfigError(
                f"{field} is not supported by the embedded server: remove it, or serve this model "
                f"with NVIDIA's container"
            )


def _sequence_controls(config: Config) -> dict[str, str]:
    """The inputs that Triton's sequence batcher adds to every request, with their data types."""
    controls = {}
    for entry in config.get("sequence_batching", {}).get("control_input", []):
        for control in entry["control"]:
            data_type = control.get("data_type", "TYPE_INVALID")
            for values, implied in (
                ("int32_false_true", "TYPE_INT32"),
                ("fp32_false_true", "TYPE_FP32"),
                ("bool_false_true", "TYPE_BOOL"),
            ):
                if control.get(values):
                    data_type = implied
            controls[entry["name"]] = data_type
    return controls


def _check_tensor(role: str, entry: Config, tensors: dict[str, Tensor], batches: bool) -> None:
    name = entry["name"]
    if name not in tensors:
        raise ConfigError(f"the model has no {role} '{name}'; it has {_names(tensors)}")
    tensor = tensors[name]
    if entry["data_type"] not in _TRITON_TYPES.values():
        raise ConfigError(
            f"{role} '{name}' has data type {entry['data_type']}, which this backend does "
            f"not exchange; give one of {_SUPPORTED}"
        )
    if entry["data_type"] != tensor.data_type:
        raise ConfigError(
            f"{role} '{name}' has data type {entry['data_type']} in the configuration, "
            f"but the model's is {tensor.data_type} (tensor({tensor.onnx_type}))"
        )
    dims = tensor_dims(entry)
    if batches:
        if tensor.shape[:1] != (-1,):
            raise ConfigError(
                f"{role} '{name}' has the shape {list(tensor.shape)} in the model; to batch, its "
                f"first dimension must be open (-1): set max_batch_size to 0"
            )
        dims = (-1, *dims)
    if not _fits(dims, tensor.shape, exact=role == "output"):
        batched = ", the first from max_batch_size" if batches else ""
        raise ConfigError(
            f"{role} '{name}' has the shape {list(dims)} in the configuration{batched}, "
            f"but the model's is {list(tensor.shape)}"
        )


def tensor_dims(entry: Config) -> tuple[int, ...]:
    """Returns the dimensions that the model sees: those of `reshape` where there is one."""
    shape = entry["reshape"].get("shape", []) if "reshape" in entry else entry["dims"]
    return tuple(int(dim) for dim in shape)


def _fits(dims: tuple[int, ...], shape: tuple[int, ...], *, exact: bool) -> bool:
    if not shape:
        return all(dim == 1 for dim in dims)
    if len(dims) != len(shape):
        return False
    return all(
        dim == model_dim or (model_dim == -1 and not exact)
        for dim, model_dim in zip(dims, shape, strict=True)
    )


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in sorted(names)) or "none"
