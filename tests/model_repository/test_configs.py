"""The configurations, held against Triton's own message definition."""

from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

REPOSITORY = Path(__file__).parents[2] / "model_repository"
PYTHON = ["classify", "generate", "latents", "stylize"]


def config_of(name: str) -> model_config_pb2.ModelConfig:
    text = (REPOSITORY / name / "config.pbtxt").read_text()
    return text_format.Parse(text, model_config_pb2.ModelConfig())


@pytest.mark.parametrize("name", PYTHON)
def test_triton_knows_every_field(name):
    config = config_of(name)
    assert config.name == name
    assert config.max_batch_size == (1 if name in ("classify", "stylize") else 0)
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


def test_models_with_the_same_parameters_have_the_same_limits():
    classify, generate, latents, stylize = (config_of(name).parameters for name in PYTHON)
    for name in ("max_encoded_bytes", "max_decoded_pixels", "max_pixels", "min_side"):
        assert classify[name].string_value == stylize[name].string_value
    for name in ("jpeg_quality", "webp_quality", "max_request_seconds"):
        assert generate[name].string_value == stylize[name].string_value
    for name in latents:
        assert generate[name].string_value == latents[name].string_value


@pytest.mark.parametrize("name", ["classify", "stylize"])
def test_the_largest_file_leaves_room_in_the_queue(name):
    parameters = config_of(name).parameters
    queue, file = (
        int(parameters[key].string_value) for key in ("max_queue_bytes", "max_encoded_bytes")
    )
    assert queue >= 2 * file
