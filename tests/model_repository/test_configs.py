"""The configurations, held against Triton's own message definition."""

from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

REPOSITORY = Path(__file__).parents[2] / "model_repository"
PYTHON = ["decode", "encode", "stylize"]


def config_of(name: str) -> model_config_pb2.ModelConfig:
    text = (REPOSITORY / name / "config.pbtxt").read_text()
    return text_format.Parse(text, model_config_pb2.ModelConfig())


@pytest.mark.parametrize("name", PYTHON)
def test_triton_knows_every_field(name):
    config = config_of(name)
    assert config.name == name
    assert config.max_batch_size == (16 if name == "encode" else 1)
    assert (REPOSITORY / name / "1").is_dir()
    assert config.backend == "python"


@pytest.mark.parametrize("name", PYTHON)
def test_python_models_run_on_the_cpu(name):
    (group,) = config_of(name).instance_group
    assert group.kind == model_config_pb2.ModelInstanceGroup.KIND_CPU


def test_no_output_can_end_the_server():
    # Triton 2.51 divides by the size of an element, 0 for TYPE_STRING, where a request asks for the
    # classes of an output.
    for config in REPOSITORY.glob("*/config.pbtxt"):
        for output in config_of(config.parent.name).output:
            assert output.data_type != model_config_pb2.TYPE_STRING, (config, output.name)


def test_all_models_have_the_same_limits():
    decode, encode, stylize = (
        config_of(name).parameters for name in ("decode", "encode", "stylize")
    )
    assert encode["max_pixels"].string_value == decode["max_decoded_pixels"].string_value
    for name in decode.keys() - {"max_shared_memory_bytes"}:
        assert stylize[name].string_value == decode[name].string_value
