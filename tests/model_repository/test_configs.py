"""The configurations, held against Triton's own message definition."""

import itertools
from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

REPOSITORY = Path(__file__).parents[2] / "model_repository"
PYTHON = ["decode", "style_weights", "encode"]


def config_of(name: str) -> model_config_pb2.ModelConfig:
    text = (REPOSITORY / name / "config.pbtxt").read_text()
    return text_format.Parse(text, model_config_pb2.ModelConfig())


@pytest.mark.parametrize("name", [*PYTHON, "stylize"])
def test_triton_knows_every_field(name):
    config = config_of(name)
    assert config.name == name
    assert config.max_batch_size == (16 if name == "encode" else 1)
    assert (REPOSITORY / name / "1").is_dir()
    assert config.platform == "ensemble" if name == "stylize" else config.backend == "python"


@pytest.mark.parametrize("name", PYTHON)
def test_python_models_run_on_the_cpu(name):
    (group,) = config_of(name).instance_group
    assert group.kind == model_config_pb2.ModelInstanceGroup.KIND_CPU


def test_the_steps_of_the_ensemble_fit_together():
    ensemble = config_of("stylize")
    tensors = {tensor.name for tensor in ensemble.input}
    for step in ensemble.ensemble_scheduling.step:
        assert set(step.input_map.values()) <= tensors, step.model_name
        tensors |= set(step.output_map.values())
        if step.model_name in PYTHON:
            model = config_of(step.model_name)
            assert set(step.input_map) == {tensor.name for tensor in model.input}
            assert set(step.output_map) <= {tensor.name for tensor in model.output}
    assert {tensor.name for tensor in ensemble.output} <= tensors


def test_no_two_steps_run_side_by_side():
    steps = config_of("stylize").ensemble_scheduling.step
    for previous, step in itertools.pairwise(steps):
        assert set(previous.output_map.values()) & set(step.input_map.values())


def test_no_output_can_end_the_server():
    # Triton 2.51 divides by the size of an element, 0 for TYPE_STRING, where a request asks for the
    # classes of an output.
    for config in REPOSITORY.glob("*/config.pbtxt"):
        for output in config_of(config.parent.name).output:
            assert output.data_type != model_config_pb2.TYPE_STRING, (config, output.name)


def test_every_photograph_that_is_decoded_can_be_answered_at_its_size():
    decode, encode = (config_of(name).parameters for name in ("decode", "encode"))
    assert encode["max_pixels"].string_value == decode["max_decoded_pixels"].string_value
