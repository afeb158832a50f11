"""The configurations for GPUs that lie in `model_repository`, beside the plain ones."""

from pathlib import Path

import pytest
from google.protobuf import json_format, text_format
from tritonclient.grpc import model_config_pb2

from atelier_onnxruntime.providers import TENSORRT, execution_providers

ROOT = Path(__file__).parents[3]
REPOSITORY = ROOT / "model_repository"
NETWORKS = ("classifier", "generator", "style", "vae_decoder", "vae_encoder")


def read(path):
    return text_format.Parse(path.read_text(), model_config_pb2.ModelConfig())


@pytest.fixture(params=NETWORKS)
def configs(request):
    """A model's configurations by name; the plain one is `config`."""
    folder = REPOSITORY / request.param
    return {path.stem: read(path) for path in (folder / "config.pbtxt", *folder.glob("configs/*"))}


def test_every_network_has_all_and_nothing_else_has_any(configs):
    assert {*configs} == {"config", "gpu", "tensorrt", "tensorrt_plan"}
    assert {path.parents[1].name for path in REPOSITORY.glob("*/configs/*")} == {*NETWORKS}


def test_callers_find_no_difference(configs):
    plain = configs.pop("config")
    for name, config in configs.items():
        for field in (
            "name",
            "max_batch_size",
            "input",
            "output",
            "model_warmup",
            "instance_group",
        ):
            assert getattr(config, field) == getattr(plain, field), (name, field)
        assert plain.parameters.keys() <= config.parameters.keys()
        assert config.HasField("dynamic_batching")


def test_each_takes_a_file_that_is_there_or_is_built(configs):
    for name, config in configs.items():
        version = REPOSITORY / config.name / "1"
        file = config.default_model_filename or "model.onnx"
        assert (version / file).is_file() == (name != "tensorrt_plan"), (config.name, name)
        if name == "tensorrt_plan":
            assert (config.platform, file) == ("tensorrt_plan", "model.plan")
        else:
            assert config.platform == "onnxruntime_onnx"
            for other in config.cc_model_filenames.values():
                assert (version / other).is_file()


def test_processors_take_8_bits_and_gpus_32_or_16_of_one_repository():
    plain, gpu = (
        read(REPOSITORY / "style" / f"{name}.pbtxt") for name in ("config", "configs/gpu")
    )
    assert plain.default_model_filename == "model.int8.onnx"
    assert set(plain.cc_model_filenames.values()) == {"model.onnx"}
    assert gpu.default_model_filename == "model.fp16.onnx"
    assert not gpu.cc_model_filenames


def test_the_onnxruntime_backend_takes_every_option(configs):
    def providers(name):
        config = json_format.MessageToDict(configs[name], preserving_proto_field_name=True)
        return dict(execution_providers(config, "GPU", 0))

    assert providers("gpu")["CUDAExecutionProvider"]["cudnn_conv_algo_search"] == "HEURISTIC"
    assert TENSORRT not in providers("gpu")
    tensorrt = providers("tensorrt")[TENSORRT]
    assert tensorrt["trt_engine_cache_enable"] == tensorrt["trt_timing_cache_enable"] == "True"
    # The folder that the pods share.
    assert tensorrt["trt_engine_cache_path"] == f"/engines/{configs['config'].name}"
    assert tensorrt["trt_timing_cache_path"] == "/engines"


def test_profiles_are_shapes_that_the_configuration_allows(configs):
    config = configs["tensorrt"]
    (accelerator,) = config.optimization.execution_accelerators.gpu_execution_accelerator
    least, typical, largest = (
        {
            name: [int(size) for size in shape.split("x")]
            for name, shape in (
                entry.split(":")
                for entry in accelerator.parameters[f"trt_profile_{which}_shapes"].split(",")
            )
        }
        for which in ("min", "opt", "max")
    )
    assert {*least} == {*typical} == {*largest} == {tensor.name for tensor in config.input}
    for tensor in config.input:
        shapes = [sizes[tensor.name] for sizes in (least, typical, largest)]
        assert shapes[0][0] == 1
        assert shapes[2][0] == config.max_batch_size
        for sizes in zip(*shapes, strict=True):
            assert list(sizes) == sorted(sizes)
        for place, size in enumerate(tensor.dims, 1):
            assert size == -1 or {shape[place] for shape in shapes} == {size}
