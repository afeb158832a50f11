from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from atelier_onnxruntime.input_size import MAX_INPUT_BYTES, refusal

REPOSITORY = Path(__file__).parents[2] / "model_repository"


def test_what_fits_is_not_refused():
    inputs = {"image": np.zeros((2, 10), np.uint8), "style": np.zeros((2, 1), np.float32)}
    assert refusal(inputs, 28) == ""
    assert refusal(inputs, 27) == (
        "the inputs have 28 bytes ('image' [2, 10], 'style' [2, 1]), more than the 27 that this "
        "model takes in a request (max_input_bytes in its config.pbtxt): send less at once"
    )


@pytest.mark.parametrize("model", ["style", "classifier"])
def test_every_network_that_takes_any_size_has_a_bound_that_holds_what_comes_from_files(model):
    configs = {}
    for name in (model, "stylize"):
        text = (REPOSITORY / name / "config.pbtxt").read_text()
        configs[name] = text_format.Parse(text, model_config_pb2.ModelConfig())
    assert -1 in configs[model].input[0].dims
    pixels = int(configs["stylize"].parameters["max_pixels"].string_value)
    bound = int(configs[model].parameters[MAX_INPUT_BYTES].string_value)
    assert bound >= configs[model].max_batch_size * pixels * 3
    assert bound < 1.1 * configs[model].max_batch_size * pixels * 3
