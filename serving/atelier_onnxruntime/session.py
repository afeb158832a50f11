"""From a model's configuration to an ONNX Runtime session."""

from __future__ import annotations

from pathlib import Path

import onnxruntime

from atelier_onnxruntime.contract import Signature, Tensor
from atelier_onnxruntime.gpu import compute_capability
from atelier_onnxruntime.parameters import (
    Config,
    ConfigError,
    boolean_parameter,
    integer_parameter,
    string_parameter,
)
from atelier_onnxruntime.providers import (
    CUDA,
    OPENVINO,
    TENSORRT,
    Provider,
    execution_providers,
)
from atelier_onnxruntime.quota import core_quota

_GRAPH_LEVELS = {
    -1: onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    1: onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    2: onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
}
_EXECUTION_MODES = (
    onnxruntime.ExecutionMode.ORT_SEQUENTIAL,
    onnxruntime.ExecutionMode.ORT_PARALLEL,
)
_ARENA_SHRINKAGE = "memory.enable_memory_arena_shrinkage"
_DEVICE_ALLOCATOR = "session.use_device_allocator_for_initializers"
_INSTALL = {
    CUDA: "pip install onnxruntime-gpu in place of onnxruntime, with CUDA and cuDNN",
    TENSORRT: "pip install onnxruntime-gpu in place of onnxruntime, with TensorRT's libraries",
    OPENVINO: "pip install onnxruntime-openvino in place of onnxruntime",
}


def session_options(config: Config) -> onnxruntime.SessionOptions:
    """Returns the session options that the configuration asks for.

    Raises:
        ConfigError: A parameter has a value that it cannot have.
    """
    options = onnxruntime.SessionOptions()
    level = config.get("optimization", {}).get("graph", {}).get("level", 0)
    options.graph_optimization_level = _GRAPH_LEVELS.get(
        int(level), onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    )
    mode = integer_parameter(config, "execution_mode", 0)
    if mode not in (0, 1):
        raise ConfigError(f"execution_mode is {mode}; give 0 (sequential) or 1 (parallel)")
    options.execution_mode = _EXECUTION_MODES[mode]
    # ONNX Runtime chooses the number where none above 0 is given; it does not see the quota.
    threads = max(integer_parameter(config, "intra_op_thread_count", 0), 0)
    options.intra_op_num_threads = threads or core_quota() or 0
    options.inter_op_num_threads = max(integer_parameter(config, "inter_op_thread_count", 0), 0)
    options.enable_cpu_mem_arena = boolean_parameter(config, "enable_mem_arena", True)
    options.enable_mem_pattern = boolean_parameter(config, "enable_mem_pattern", True)
    # A thread that spins while it waits takes the core from other instances and other models.
    for pool in ("intra", "inter"):
        options.add_session_config_entry(f"session.{pool}_op.allow_spinning", "0")
    # Instances are processes and cannot share a session; a value that means nothing is refused.
    boolean_parameter(config, "share_session_between_instances", False)
    device_allocator = string_parameter(config, _DEVICE_ALLOCATOR)
    if device_allocator is not None:
        options.add_session_config_entry(_DEVICE_ALLOCATOR, device_allocator)
    for library in config.get("model_operations", {}).get("op_library_filename", []):
        options.register_custom_ops_library(library)
    return options


def run_options(config: Config, *, shrinks: bool = False) -> onnxruntime.RunOptions:
    """Returns the options of the session's runs.

    Args:
        config: The configuration, which may say that every run shrinks an arena.
        shrinks: Whether these give back what the CPU's arena holds, if it does not say so.
    """
    options = onnxruntime.RunOptions()
    shrinkage = string_parameter(config, _ARENA_SHRINKAGE) or ("cpu:0" if shrinks else None)
    if shrinkage is not None:
        options.add_run_config_entry(_ARENA_SHRINKAGE, shrinkage)
    return options


def model_path(config: Config, version: Path, capability: str | None = None) -> Path:
    """Returns the ONNX file of a model's version.

    Args:
        config: The configuration. `cc_model_filenames` names the file for a GPU that it lists,
            `default_model_filename` every other. Where that is a directory, the file is the
            model.onnx in it.
        version: The directory of the version.
        capability: The compute capability of the GPU, such as "8.9"; None on the CPU.

    Raises:
        ConfigError: There is no such file.
    """
    filename = config.get("default_model_filename") or "model.onnx"
    if capability is not None:
        filename = config.get("cc_model_filenames", {}).get(capability, filename)
    path = version / filename
    if path.is_dir():
        path /= "model.onnx"
    if not path.is_file():
        raise ConfigError(f"there is no file {path}; put the model there")
    return path


def open_instance(
    config: Config,
    version: Path,
    kind: str,
    device_id: int,
    options: onnxruntime.SessionOptions,
) -> onnxruntime.InferenceSession:
    """Opens a session of one instance of a model.

    Args:
        config: The model's configuration.
        version: The directory of the version that is served.
        kind: "GPU" for an instance on a GPU; anything else is the CPU.
        device_id: The number of the GPU.
        options: Those of `session_options`, as they are or with other threads.

    Raises:
        ConfigError: The configuration asks for what is unknown or not installed, or ONNX Runtime
            refuses the model.
    """
    providers = execution_providers(config, kind, device_id)
    capability = None
    if kind == "GPU" and config.get("cc_model_filenames"):
        capability = compute_capability(device_id)
    return _open(model_path(config, version, capability), options, providers)


def peek(config: Config, version: Path) -> Signature:
    """Returns the tensors of a model that is not served yet, opened in the quickest way.

    Raises:
        ConfigError: As in `open_instance`.
    """
    kinds = {group["kind"] for group in config.get("instance_group", [])}
    kind = "GPU" if "KIND_GPU" in kinds else "CPU"
    # TensorRT would build an engine, only to be asked for names and shapes.
    providers = [
        provider for provider in execution_providers(config, kind, 0) if provider[0] != TENSORRT
    ]
    options = session_options(config)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return signature(_open(model_path(config, version), options, providers))


def _open(
    path: Path, options: onnxruntime.SessionOptions, providers: list[Provider]
) -> onnxruntime.InferenceSession:
    available = onnxruntime.get_available_providers()
    for name, _ in providers:
        if name not in available:
            raise ConfigError(f"the installed onnxruntime has no {name}: {_INSTALL[name]}")
    try:
        session = onnxruntime.InferenceSession(path, options, providers=providers)
    except Exception as error:
        raise ConfigError(f"ONNX Runtime does not load {path}: {error}") from error
    # ONNX Runtime only warns where a provider does not start, and goes on without it.
    for name, _ in providers:
        if name not in session.get_providers():
            raise ConfigError(f"{name} did not start, its reason is logged above: {_INSTALL[name]}")
    return session


def signature(session: onnxruntime.InferenceSession) -> Signature:
    """Returns the tensors of the model that `session` runs.

    Raises:
        ConfigError: The model has an input or output that is no tensor, such as a sequence.
    """
    return Signature(
        inputs=dict(map(_named_tensor, session.get_inputs())),
        defaults=dict(map(_named_tensor, session.get_overridable_initializers())),
        outputs=dict(map(_named_tensor, session.get_outputs())),
    )


def _named_tensor(node: onnxruntime.NodeArg) -> tuple[str, Tensor]:
    if not node.type.startswith("tensor("):
        raise ConfigError(
            f"'{node.name}' of the model is a {node.type}; Triton exchanges tensors only: "
            f"export the model without it"
        )
    onnx_type = node.type.removeprefix("tensor(").removesuffix(")")
    shape = tuple(dim if isinstance(dim, int) else -1 for dim in node.shape)
    return node.name, Tensor(onnx_type, shape)
