"""From a model's configuration to ONNX Runtime's execution providers. Pure functions.

The mapping is held by unit tests; no GPU has run its GPU half.
"""

from __future__ import annotations

from atelier_onnxruntime.parameters import (
    Config,
    ConfigError,
    execution_accelerators,
    integer_parameter,
    parse_boolean,
    parse_integer,
    string_parameter,
)

Provider = tuple[str, dict[str, str]]
"""An execution provider's name and options, as `onnxruntime.InferenceSession` takes them."""

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
TENSORRT = "TensorrtExecutionProvider"
OPENVINO = "OpenVINOExecutionProvider"

_UNLIMITED = str(2**64 - 1)
_CONV_ALGO_SEARCH = ("EXHAUSTIVE", "HEURISTIC", "DEFAULT")
_ARENA_EXTEND_STRATEGY = ("kNextPowerOfTwo", "kSameAsRequested")
_CUDA_SWITCHES = frozenset({"do_copy_in_default_stream", "use_ep_level_unified_stream"})

_PRECISIONS = {
    "FP32": {},
    "FP16": {"trt_fp16_enable": "True"},
    "BF16": {"trt_bf16_enable": "True"},
    "INT8": {"trt_int8_enable": "True"},
}
# Keys whose name in a Triton configuration is not ONNX Runtime's own.
_TENSORRT_RENAMED = {
    "max_workspace_size_bytes": "trt_max_workspace_size",
    "int8_calibration_table_name": "trt_int8_calibration_table_name",
    "int8_use_native_calibration_table": "trt_int8_use_native_calibration_table",
}
_TENSORRT_INTEGERS = frozenset(
    {
        "max_workspace_size_bytes",
        "trt_auxiliary_streams",
        "trt_builder_optimization_level",
        "trt_dla_core",
        "trt_ep_context_embed_mode",
        "trt_max_partition_iterations",
        "trt_min_subgraph_size",
    }
)
_TENSORRT_SWITCHES = frozenset(
    {
        "int8_use_native_calibration_table",
        "trt_build_heuristics_enable",
        "trt_context_memory_sharing_enable",
        "trt_cuda_graph_enable",
        "trt_detailed_build_log",
        "trt_dla_enable",
        "trt_dump_ep_context_model",
        "trt_dump_subgraphs",
        "trt_engine_cache_enable",
        "trt_force_sequential_engine_build",
        "trt_force_timing_cache",
        "trt_layer_norm_fp32_fallback",
        "trt_sparsity_enable",
        "trt_timing_cache_enable",
    }
)
_TENSORRT_STRINGS = frozenset(
    {
        "int8_calibration_table_name",
        "trt_engine_cache_path",
        "trt_engine_cache_prefix",
        "trt_ep_context_file_path",
        "trt_extra_plugin_lib_paths",
        "trt_profile_max_shapes",
        "trt_profile_min_shapes",
        "trt_profile_opt_shapes",
        "trt_tactic_sources",
        "trt_timing_cache_path",
    }
)


def execution_providers(config: Config, kind: str, device_id: int) -> list[Provider]:
    """Returns the providers of one instance, the preferred first and the CPU last.

    `gpu_execution_accelerator` is read on GPU instances only, where CUDA is always added;
    `cpu_execution_accelerator` is read on every instance.

    Args:
        config: The model's configuration.
        kind: The kind of the instance, "CPU" or "GPU".
        device_id: The number of its GPU; not used on the CPU.

    Raises:
        ConfigError: An accelerator or one of its options is unknown.
    """
    providers: list[Provider] = []
    if kind == "GPU":
        cuda: dict[str, str] = {}
        for accelerator in execution_accelerators(config, "gpu"):
            name, options = accelerator["name"], accelerator.get("parameters", {})
            if name == "tensorrt":
                providers.append((TENSORRT, _tensorrt_options(options, device_id)))
            elif name == "cuda":
                cuda |= _cuda_accelerator_options(options)
            else:
                raise _unknown_accelerator("gpu", name, "'tensorrt' and 'cuda'")
        providers.append((CUDA, cuda | _cuda_options(config, device_id)))
    for accelerator in execution_accelerators(config, "cpu"):
        if accelerator["name"] != "openvino":
            raise _unknown_accelerator("cpu", accelerator["name"], "'openvino'")
        providers.append((OPENVINO, {"device_type": "CPU"}))
    providers.append((CPU, {}))
    return providers


def _unknown_accelerator(processor: str, name: str, known: str) -> ConfigError:
    return ConfigError(
        f"'{name}' is no {processor}_execution_accelerator of this backend; it knows {known}"
    )


def _tensorrt_options(parameters: dict[str, str], device_id: int) -> dict[str, str]:
    options = {"device_id": str(device_id)}
    for key, value in parameters.items():
        if key == "precision_mode":
            if value not in _PRECISIONS:
                raise ConfigError(
                    f"TensorRT precision_mode '{value}' is unknown; give {', '.join(_PRECISIONS)}"
                )
            options |= _PRECISIONS[value]
            continue
        if key in _TENSORRT_INTEGERS:
            setting = str(parse_integer(key, value))
        elif key in _TENSORRT_SWITCHES:
            # From Python, the provider takes its switches in these words only.
            setting = str(parse_boolean(key, value))
        elif key in _TENSORRT_STRINGS:
            setting = value
        else:
            raise ConfigError(f"'{key}' is no option of the TensorRT accelerator; remove it")
        if setting:
            options[_TENSORRT_RENAMED.get(key, key)] = setting
    return options


def _cuda_accelerator_options(parameters: dict[str, str]) -> dict[str, str]:
    options = {}
    for key, value in parameters.items():
        if key in _CUDA_SWITCHES:
            options[key] = str(int(parse_boolean(key, value)))
        elif value:
            options[key] = value
    return options


def _cuda_options(config: Config, device_id: int) -> dict[str, str]:
    """The four options that only the model's top-level parameters set, and the device."""
    copy_in_default_stream = string_parameter(config, "do_copy_in_default_stream")
    return {
        "device_id": str(device_id),
        "cudnn_conv_algo_search": _choice(config, "cudnn_conv_algo_search", _CONV_ALGO_SEARCH),
        "gpu_mem_limit": string_parameter(config, "gpu_mem_limit") or _UNLIMITED,
        "arena_extend_strategy": _choice(config, "arena_extend_strategy", _ARENA_EXTEND_STRATEGY),
        "do_copy_in_default_stream": copy_in_default_stream or "1",
    }


def _choice(config: Config, key: str, choices: tuple[str, ...]) -> str:
    number = integer_parameter(config, key, 0)
    if not 0 <= number < len(choices):
        named = ", ".join(f"{index} ({choice})" for index, choice in enumerate(choices))
        raise ConfigError(f"parameter '{key}' is {number}; give {named}")
    return choices[number]
