import pytest

from atelier_onnxruntime.parameters import ConfigError
from atelier_onnxruntime.providers import execution_providers

CPU = ("CPUExecutionProvider", {})
DEFAULT_CUDA = {
    "device_id": "1",
    "cudnn_conv_algo_search": "EXHAUSTIVE",
    "gpu_mem_limit": "18446744073709551615",
    "arena_extend_strategy": "kNextPowerOfTwo",
    "do_copy_in_default_stream": "1",
}


def accelerated(processor, *accelerators, parameters=None):
    return {
        "optimization": {
            "execution_accelerators": {
                f"{processor}_execution_accelerator": [
                    {"name": name, "parameters": options} for name, options in accelerators
                ]
            }
        },
        "parameters": {key: {"string_value": value} for key, value in (parameters or {}).items()},
    }


def test_cpu_instance():
    assert execution_providers({}, "CPU", 0) == [CPU]


def test_gpu_instance_always_has_cuda():
    assert execution_providers({}, "GPU", 1) == [("CUDAExecutionProvider", DEFAULT_CUDA), CPU]


@pytest.mark.parametrize("kind", ["CPU", "GPU"])
def test_openvino_is_read_on_every_instance(kind):
    providers = execution_providers(accelerated("cpu", ("openvino", {})), kind, 0)
    assert providers[-2:] == [("OpenVINOExecutionProvider", {"device_type": "CPU"}), CPU]


@pytest.mark.parametrize("kind", ["CPU", "GPU"])
def test_unknown_cpu_accelerator_is_refused(kind):
    with pytest.raises(ConfigError, match="'tensorrt' is no cpu_execution_accelerator"):
        execution_providers(accelerated("cpu", ("tensorrt", {})), kind, 0)


def test_gpu_accelerators_are_not_read_on_the_cpu():
    assert execution_providers(accelerated("gpu", ("nonsense", {})), "CPU", 0) == [CPU]


def test_unknown_gpu_accelerator_is_refused():
    with pytest.raises(ConfigError, match="'openvino' is no gpu_execution_accelerator"):
        execution_providers(accelerated("gpu", ("openvino", {})), "GPU", 0)


def test_tensorrt_comes_before_cuda_with_its_options_translated():
    options = {
        "precision_mode": "FP16",
        "max_workspace_size_bytes": "1073741824",
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": "/cache",
        "trt_dump_subgraphs": "off",
        "trt_min_subgraph_size": "5",
        "int8_calibration_table_name": "table",
        "int8_use_native_calibration_table": "true",
        "trt_profile_min_shapes": "image:1x16x16x3",
    }
    tensorrt, cuda, cpu = execution_providers(accelerated("gpu", ("tensorrt", options)), "GPU", 1)
    assert tensorrt == (
        "TensorrtExecutionProvider",
        {
            "device_id": "1",
            "trt_fp16_enable": "True",
            "trt_max_workspace_size": "1073741824",
            "trt_engine_cache_enable": "True",
            "trt_engine_cache_path": "/cache",
            "trt_dump_subgraphs": "False",
            "trt_min_subgraph_size": "5",
            "trt_int8_calibration_table_name": "table",
            "trt_int8_use_native_calibration_table": "True",
            "trt_profile_min_shapes": "image:1x16x16x3",
        },
    )
    assert cuda == ("CUDAExecutionProvider", DEFAULT_CUDA)
    assert cpu == CPU


@pytest.mark.parametrize(
    ("precision", "option"),
    [
        ("FP32", {}),
        ("FP16", {"trt_fp16_enable": "True"}),
        ("BF16", {"trt_bf16_enable": "True"}),
        ("INT8", {"trt_int8_enable": "True"}),
    ],
)
def test_tensorrt_precision(precision, option):
    config = accelerated("gpu", ("tensorrt", {"precision_mode": precision}))
    assert execution_providers(config, "GPU", 0)[0][1] == {"device_id": "0"} | option


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trt_magic": "1"}, "'trt_magic' is no option"),
        ({"precision_mode": "FP8"}, "'FP8' is unknown"),
        ({"trt_engine_cache_enable": "maybe"}, "'maybe'"),
        ({"max_workspace_size_bytes": "lots"}, "'lots'"),
    ],
)
def test_tensorrt_options_that_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        execution_providers(accelerated("gpu", ("tensorrt", options)), "GPU", 0)


def test_cuda_accelerator_options_pass_through():
    config = accelerated("gpu", ("cuda", {"use_tf32": "0", "use_ep_level_unified_stream": "true"}))
    assert execution_providers(config, "GPU", 1)[0] == (
        "CUDAExecutionProvider",
        DEFAULT_CUDA | {"use_tf32": "0", "use_ep_level_unified_stream": "1"},
    )


def test_top_level_parameters_overwrite_four_cuda_options():
    config = accelerated(
        "gpu",
        ("cuda", {"gpu_mem_limit": "1", "cudnn_conv_algo_search": "DEFAULT"}),
        parameters={
            "cudnn_conv_algo_search": "1",
            "gpu_mem_limit": "4294967296",
            "arena_extend_strategy": "1",
            "do_copy_in_default_stream": "0",
        },
    )
    assert execution_providers(config, "GPU", 1)[0][1] == {
        "device_id": "1",
        "cudnn_conv_algo_search": "HEURISTIC",
        "gpu_mem_limit": "4294967296",
        "arena_extend_strategy": "kSameAsRequested",
        "do_copy_in_default_stream": "0",
    }


def test_their_defaults_overwrite_the_accelerator_too():
    config = accelerated("gpu", ("cuda", {"gpu_mem_limit": "1"}))
    assert execution_providers(config, "GPU", 1)[0][1] == DEFAULT_CUDA


@pytest.mark.parametrize(
    ("key", "value"), [("cudnn_conv_algo_search", "3"), ("arena_extend_strategy", "-1")]
)
def test_a_cuda_choice_out_of_range_is_refused(key, value):
    with pytest.raises(ConfigError, match=f"'{key}' is {value}; give 0"):
        execution_providers(accelerated("gpu", parameters={key: value}), "GPU", 0)
