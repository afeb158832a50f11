import pytest
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from atelier_export.style.checkpoint import StyleCheckpoint
from atelier_export.style.network import StyleNetwork, StyleNetworkConfig
from atelier_export.style.serving import style_models


def style_configs(names: list[str]) -> list[ModelConfig]:
    config = StyleNetworkConfig(len(names), channels=(2,), blocks=(0,))
    models = style_models(StyleCheckpoint(StyleNetwork(config), tuple(names), {}))
    return [text_format.Parse(model.config, ModelConfig()) for model in models]


def test_triton_reads_the_configuration():
    config, _ = style_configs(["great_wave", "udnie", "style-3"])
    assert config.name == "style"
    assert config.platform == "onnxruntime_onnx"
    assert config.max_batch_size == 4
    assert {tensor.name: list(tensor.dims) for tensor in config.input} == {
        "image": [-1, -1, 3],
        "style": [-1],
    }
    assert [(tensor.name, list(tensor.dims)) for tensor in config.output] == [
        ("stylized", [-1, -1, 3])
    ]
    assert not config.HasField("dynamic_batching")
    assert [(group.count, group.kind) for group in config.instance_group] == [(2, 0)]
    (warmup,) = config.model_warmup
    assert list(warmup.inputs["image"].dims) == [256, 256, 3]
    assert list(warmup.inputs["style"].dims) == [3]
    assert config.parameters["styles"].string_value == "great_wave,udnie,style-3"


def test_both_models_have_the_same_names():
    network, caller = style_configs(["great_wave", "udnie"])
    assert (caller.name, caller.parameters["calls"].string_value) == ("stylize", network.name)
    assert caller.parameters["styles"].string_value == "great_wave,udnie"
    assert network.parameters["styles"].string_value == "great_wave,udnie"


@pytest.mark.parametrize("name", ["", "a,b", "a:0.5", 'a"', "a b", "a\n", "künstler"])
def test_names_that_would_be_misread_are_refused(name):
    with pytest.raises(ValueError, match="letters, digits"):
        style_configs(["fine", name])


def test_names_must_tell_the_styles_apart():
    with pytest.raises(ValueError, match="names that differ"):
        style_configs(["twice", "once", "twice"])
