import copy

import pytest

from atelier_onnxruntime.contract import Signature, Tensor, check, complete
from atelier_onnxruntime.parameters import ConfigError

BATCHED = Signature(
    inputs={"image": Tensor("uint8", (-1, -1, -1, 3)), "style": Tensor("float", (-1, 4))},
    defaults={},
    outputs={"stylized": Tensor("uint8", (-1, -1, -1, 3)), "score": Tensor("float", (-1,))},
)
FIXED = Signature(
    inputs={"x": Tensor("float", (2, 3))},
    defaults={"scale": Tensor("float", ())},
    outputs={"y": Tensor("int64", (3, 2)), "mean": Tensor("float", ())},
)


def tensor(name, data_type, *dims, **more):
    return {"name": name, "data_type": data_type, "dims": list(dims), **more}


def batched(**changes):
    return {
        "max_batch_size": 8,
        "input": [tensor("image", "TYPE_UINT8", -1, -1, 3), tensor("style", "TYPE_FP32", 4)],
        "output": [
            tensor("stylized", "TYPE_UINT8", -1, -1, 3),
            tensor("score", "TYPE_FP32", 1, reshape={"shape": []}),
        ],
    } | changes


def fixed(**changes):
    return {
        "max_batch_size": 0,
        "input": [tensor("x", "TYPE_FP32", 2, 3)],
        "output": [tensor("y", "TYPE_INT64", 3, 2), tensor("mean", "TYPE_FP32", 1)],
    } | changes


def test_a_batching_model_is_completed():
    completed = complete({"max_batch_size": 0, "input": [], "output": []}, BATCHED)
    assert completed == batched(max_batch_size=4, dynamic_batching={})
    check(completed, BATCHED)


def test_a_model_of_fixed_sizes_is_completed():
    completed = complete({"max_batch_size": 0, "input": [], "output": []}, FIXED)
    assert completed == fixed()
    check(completed, FIXED)


def test_only_the_missing_side_is_filled_in():
    inputs = [tensor("image", "TYPE_UINT8", 64, 64, 3), tensor("style", "TYPE_FP32", 4)]
    completed = complete(batched(input=inputs, output=[]), BATCHED)
    assert completed["input"] == inputs
    assert completed["output"] == batched()["output"]
    assert completed["max_batch_size"] == 8


@pytest.mark.parametrize(
    "config", [batched(), batched(max_batch_size=0), fixed(input=batched()["input"])]
)
def test_nothing_is_filled_in_where_both_sides_are_listed(config):
    assert complete(config, BATCHED) == config


def test_completion_leaves_its_argument_alone():
    config = {"max_batch_size": 0, "input": [], "output": []}
    before = copy.deepcopy(config)
    complete(config, BATCHED)
    assert config == before


@pytest.mark.parametrize(
    "scheduler", [{"sequence_batching": {}}, {"dynamic_batching": {"preferred_batch_size": [2]}}]
)
def test_a_scheduler_that_is_named_stays(scheduler):
    completed = complete(batched(output=[], **scheduler), BATCHED)
    assert completed.items() >= scheduler.items()
    assert ("dynamic_batching" in completed) == ("dynamic_batching" in scheduler)


@pytest.mark.parametrize("size", [0, 1, 16])
def test_the_default_batch_size_can_be_set(size):
    completed = complete({"max_batch_size": 0, "input": [], "output": []}, BATCHED, size)
    assert completed["max_batch_size"] == size
    assert ("dynamic_batching" in completed) == (size > 1)


def test_no_dynamic_batching_for_a_batch_of_one():
    assert "dynamic_batching" not in complete(batched(max_batch_size=1, output=[]), BATCHED)


def test_completion_refuses_a_batch_that_the_model_cannot_take():
    with pytest.raises(ConfigError, match="max_batch_size is 8, but the model cannot batch"):
        complete({"max_batch_size": 8, "input": [], "output": []}, FIXED)


@pytest.mark.parametrize(
    ("config", "signature"),
    [
        (batched(), BATCHED),
        (batched(output=[tensor("score", "TYPE_FP32", 1, reshape={"shape": []})]), BATCHED),
        (
            batched(
                input=[tensor("image", "TYPE_UINT8", 64, 64, 3), tensor("style", "TYPE_FP32", 4)]
            ),
            BATCHED,
        ),
        (batched(input=batched()["input"][::-1]), BATCHED),
        (fixed(), FIXED),
        (fixed(input=[*fixed()["input"], tensor("scale", "TYPE_FP32", 1, optional=True)]), FIXED),
        (fixed(input=[tensor("x", "TYPE_FP32", 6, reshape={"shape": [2, 3]})]), FIXED),
    ],
)
def test_what_fits(config, signature):
    check(config, signature)


IMAGE = tensor("image", "TYPE_UINT8", -1, -1, 3)


@pytest.mark.parametrize(
    ("config", "signature", "message"),
    [
        (batched(input=[IMAGE]), BATCHED, r"lists 1 inputs \('image'\), the model has 2"),
        (
            batched(input=[*batched()["input"], tensor("noise", "TYPE_FP32", 1)]),
            BATCHED,
            "lists 3 inputs",
        ),
        (
            batched(input=[IMAGE, tensor("mood", "TYPE_FP32", 4)]),
            BATCHED,
            r"\('image', 'mood'\).*\('image', 'style'\)",
        ),
        (
            batched(output=[tensor("paint", "TYPE_UINT8", -1, -1, 3)]),
            BATCHED,
            "no output 'paint'; it has 'score', 'stylized'",
        ),
        (
            batched(input=[tensor("image", "TYPE_FP32", -1, -1, 3), batched()["input"][1]]),
            BATCHED,
            "'image' has data type TYPE_FP32 in the configuration, but the model's is TYPE_UINT8",
        ),
        (
            batched(output=[tensor("score", "TYPE_FP16", 1, reshape={"shape": []})]),
            BATCHED,
            "'score' has data type TYPE_FP16",
        ),
        (
            batched(input=[IMAGE, tensor("style", "TYPE_FP32", 5)]),
            BATCHED,
            r"'style' has the shape \[-1, 5\] in the configuration.*model's is \[-1, 4\]",
        ),
        (
            batched(input=[IMAGE, tensor("style", "TYPE_FP32", -1)]),
            BATCHED,
            r"'style' has the shape \[-1, -1\]",
        ),
        (
            batched(input=[IMAGE, tensor("style", "TYPE_FP32", -1, 4)]),
            BATCHED,
            r"'style' has the shape \[-1, -1, 4\]",
        ),
        (
            batched(output=[tensor("stylized", "TYPE_UINT8", 64, 64, 3)]),
            BATCHED,
            r"output 'stylized' has the shape \[-1, 64, 64, 3\]",
        ),
        (fixed(max_batch_size=2), FIXED, "'x' has the shape .* first dimension must be open"),
        (
            fixed(output=[tensor("mean", "TYPE_FP32", 2)]),
            FIXED,
            r"'mean' has the shape \[2\] .* model's is \[\]",
        ),
        (
            batched(input=[IMAGE, tensor("style", "TYPE_FP32", 4, optional=True)]),
            BATCHED,
            "lists 1 inputs",
        ),
        (
            batched(input=[*batched()["input"], tensor("scale", "TYPE_FP32", 1, optional=True)]),
            BATCHED,
            "'scale' is optional, which needs max_batch_size 0, not 8",
        ),
        (
            fixed(input=[*fixed()["input"], tensor("bias", "TYPE_FP32", 1, optional=True)]),
            FIXED,
            "no input 'bias'; it has 'scale', 'x'",
        ),
        (
            fixed(input=[*fixed()["input"], tensor("scale", "TYPE_FP32", 1)]),
            FIXED,
            "lists 2 inputs",
        ),
        (batched(sequence_batching={"state": [{}]}), BATCHED, "sequence_batching.state"),
        (batched(input=[IMAGE | {"allow_ragged_batch": True}]), BATCHED, "allow_ragged_batch"),
        (batched(batch_output=[{}]), BATCHED, "batch_output"),
        (batched(batch_input=[{}]), BATCHED, "batch_input"),
        (batched(model_transaction_policy={"decoupled": True}), BATCHED, "decoupled"),
    ],
)
def test_what_is_refused(config, signature, message):
    with pytest.raises(ConfigError, match=message):
        check(config, signature)


@pytest.mark.parametrize("data_type", ["TYPE_BF16", "TYPE_INVALID"])
def test_bfloat16_is_refused(data_type):
    model = Signature({"x": Tensor("bfloat16", (-1, 2))}, {}, {"y": Tensor("float", (-1, 2))})
    config = {
        "max_batch_size": 1,
        "input": [tensor("x", data_type, 2)],
        "output": [tensor("y", "TYPE_FP32", 2)],
    }
    with pytest.raises(ConfigError, match=r"'x' of the model is a tensor\(bfloat16\)"):
        complete({"max_batch_size": 0, "input": [], "output": []}, model)
    with pytest.raises(ConfigError, match=f"'x' has data type {data_type}, which this backend"):
        check(config, model)


def sequence(kind, **control):
    return {
        "control_input": [{"name": "start", "control": [{"kind": kind, **control}]}],
    }


def sequential(data_type, *shape):
    return Signature(
        {"x": Tensor("float", (-1, 1)), "start": Tensor(data_type, shape)},
        {},
        {"y": Tensor("float", (-1, 1))},
    )


def sequential_config(control):
    return {
        "max_batch_size": 2,
        "input": [tensor("x", "TYPE_FP32", 1)],
        "output": [tensor("y", "TYPE_FP32", 1)],
        "sequence_batching": control,
    }


@pytest.mark.parametrize(
    ("control", "onnx_type"),
    [
        (sequence("CONTROL_SEQUENCE_START", int32_false_true=[0, 1]), "int32"),
        (sequence("CONTROL_SEQUENCE_END", fp32_false_true=[0, 1]), "float"),
        (sequence("CONTROL_SEQUENCE_READY", bool_false_true=[False, True]), "bool"),
        (sequence("CONTROL_SEQUENCE_CORRID", data_type="TYPE_UINT64"), "uint64"),
    ],
)
def test_sequence_controls_count_as_inputs(control, onnx_type):
    check(sequential_config(control), sequential(onnx_type, -1, 1))
    with pytest.raises(ConfigError, match="'start' has data type"):
        check(sequential_config(control), sequential("double", -1, 1))
    with pytest.raises(ConfigError, match=r"'start' has the shape \[-1, 1\]"):
        check(sequential_config(control), sequential(onnx_type, -1, 2))
