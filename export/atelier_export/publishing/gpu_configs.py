"""The configurations of a model for GPUs, beside its config.pbtxt.

Triton takes `configs/NAME.pbtxt` of every model that has it with `--model-config-name=NAME`:

- `gpu`: CUDA.
- `tensorrt`: ONNX Runtime's TensorRT provider, whose engines are kept in /engines.
- `tensorrt_plan`: Triton's own TensorRT backend, for an engine that `atelier export --tensorrt`
  built on a machine with the same GPU.

They are the model's own configuration with what its `GpuServing` says. None has been run on a GPU.
"""

from collections.abc import Mapping

from atelier_export.publishing.calibration import INT8_FILES
from atelier_export.publishing.served_model import GpuServing, ServedModel

ENGINES = "/engines"
"""Where engines and timings are kept, in the container."""
HALF_MODEL = "model.fp16.onnx"
PLAN = "model.plan"

_PLATFORM = 'platform: "onnxruntime_onnx"'
_NOT_RUN = "# For GPUs, as --model-config-name={name}. Not run on a GPU yet.\n"
_BATCHING = """
# Images of one size that wait share a batch; none waits for others to come.
dynamic_batching { }
"""
_CUDA = """
# Sizes vary: a kernel is chosen by rule, not by trying all of them for each size.
parameters { key: "cudnn_conv_algo_search" value { string_value: "1" } }
"""


def gpu_configs(model: ServedModel) -> dict[str, str]:
    """The configurations by their paths in the model's folder; none without a `GpuServing`."""
    gpu = model.gpu
    if gpu is None:
        return {}
    config = model.config.replace(INT8_FILES, "") + (_BATCHING if gpu.batching else "")
    graph = config
    if model.half_differences is not None:
        graph = config.replace(_PLATFORM, f'{_PLATFORM}\ndefault_model_filename: "{HALF_MODEL}"')
    plan = f'platform: "tensorrt_plan"\ndefault_model_filename: "{PLAN}"'
    configs = {
        "gpu": graph + _CUDA,
        "tensorrt": graph + _CUDA + _tensorrt(model.name, gpu),
        "tensorrt_plan": config.replace(_PLATFORM, plan),
    }
    return {
        f"configs/{name}.pbtxt": _NOT_RUN.format(name=name) + text for name, text in configs.items()
    }


def profile_shapes(gpu: GpuServing) -> Mapping[str, str]:
    """The least, typical and largest shapes of all inputs, as TensorRT's tools take them."""
    return {
        size: ",".join(
            f"{name}:{'x'.join(map(str, getattr(profile, size)))}"
            for name, profile in gpu.profiles.items()
        )
        for size in ("smallest", "typical", "largest")
    }


def _tensorrt(name: str, gpu: GpuServing) -> str:
    shapes = profile_shapes(gpu)
    parameters = {
        "trt_engine_cache_enable": "true",
        "trt_engine_cache_path": f"{ENGINES}/{name}",
        "trt_timing_cache_enable": "true",
        "trt_timing_cache_path": ENGINES,
        "trt_profile_min_shapes": shapes["smallest"],
        "trt_profile_opt_shapes": shapes["typical"],
        "trt_profile_max_shapes": shapes["largest"],
    }
    lines = "\n".join(
        f'      parameters {{ key: "{key}" value: "{value}" }}' for key, value in parameters.items()
    )
    return f"""
# An engine takes shapes from the least to the largest, and is fastest at the one between. Its
# precision is the file's.
optimization {{
  execution_accelerators {{
    gpu_execution_accelerator {{
      name: "tensorrt"
{lines}
    }}
  }}
}}
"""
