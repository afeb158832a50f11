import numpy as np
import pytest
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from atelier_tuning.example import ExampleError, example

CONFIG = """
name: "style"
max_batch_size: 4
input [
  { name: "image" data_type: TYPE_UINT8 dims: [ -1, -1, 3 ] },
  { name: "movement" data_type: TYPE_INT64 dims: [ 1 ] }
]
"""
WARM_UP = """
model_warmup [ {
  name: "one"
  batch_size: 1
  inputs { key: "image" value { data_type: TYPE_UINT8 dims: [ 32, 48, 3 ] random_data: true } }
  inputs { key: "movement" value { data_type: TYPE_INT64 dims: [ 1 ] zero_data: true } }
} ]
"""


def parsed(text: str) -> ModelConfig:
    return text_format.Parse(text, ModelConfig())


def test_the_warm_up_request_is_the_example():
    inputs = example(parsed(CONFIG + WARM_UP), {})
    assert inputs["image"].shape == (1, 32, 48, 3)
    assert inputs["image"].dtype == np.uint8
    assert inputs["image"].std() > 10
    assert inputs["movement"].tolist() == [[0]]


def test_a_given_shape_comes_first_and_a_model_without_batches_has_none():
    config = parsed(CONFIG.replace("max_batch_size: 4", "") + WARM_UP)
    assert example(config, {"image": [16, 16, 3]})["image"].shape == (16, 16, 3)


@pytest.mark.parametrize(
    ("text", "shapes", "message"),
    [
        (CONFIG, {}, "give --shape image:256,256,3"),
        (CONFIG, {"img": [1]}, "style has no input 'img': it has image, movement"),
        (CONFIG.replace("TYPE_UINT8", "TYPE_STRING"), {}, "tune the models behind it"),
    ],
)
def test_what_no_example_can_be_made_of(text, shapes, message):
    with pytest.raises(ExampleError, match=message):
        example(parsed(text), shapes)
