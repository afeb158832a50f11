"""Models of many kinds through a real server."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import tritonclient.grpc as grpc
from onnx import TensorProto as Onnx
from onnx import numpy_helper
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from fakes.prometheus import Metrics
from fakes.triton import serving
from fakes.waiting import until

ONE_INSTANCE = "instance_group [{ kind: KIND_CPU count: 1 }]\n"
LONG_QUEUE = "max_batch_size: 8 dynamic_batching { max_queue_delay_microseconds: 100000 }\n"
BATCH = 8
# Runs eight rows at once and never fewer, unless they do not come at all.
WHOLE_BATCHES = f"""
    max_batch_size: {BATCH}
    dynamic_batching {{
      preferred_batch_size: [ {BATCH} ] max_queue_delay_microseconds: 60000000
    }}
"""
ELEMENTS = {
    "uint8": Onnx.UINT8,
    "uint16": Onnx.UINT16,
    "uint32": Onnx.UINT32,
    "uint64": Onnx.UINT64,
    "int8": Onnx.INT8,
    "int16": Onnx.INT16,
    "int32": Onnx.INT32,
    "int64": Onnx.INT64,
    "float16": Onnx.FLOAT16,
    "float32": Onnx.FLOAT,
    "float64": Onnx.DOUBLE,
    "bool": Onnx.BOOL,
    "string": Onnx.STRING,
}


def write_models(root: Path, save_onnx) -> None:
    """Writes one model a function below; a configuration only where the model needs one."""

    def add(name, *graph, config="", file="1/model.onnx", **options):
        save_onnx(root / name / file, *graph, **options)
        if config:
            (root / name / "config.pbtxt").write_text(f'platform: "onnxruntime_onnx"\n{config}')

    weights = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)
    add(
        "convolution",
        [("Conv", ["x", "weights"], ["y"], {"pads": [1, 1, 1, 1]})],
        {"x": (Onnx.FLOAT, ["batch", 3, "height", "width"])},
        {"y": (Onnx.FLOAT, ["batch", 4, "height", "width"])},
        initializers=[numpy_helper.from_array(weights, "weights")],
    )
    add(
        "every_type",
        [("Identity", [name], [f"{name}_out"]) for name in ELEMENTS],
        {name: (element, ["batch", "n"]) for name, element in ELEMENTS.items()},
        {f"{name}_out": (element, ["batch", "n"]) for name, element in ELEMENTS.items()},
        config=ONE_INSTANCE,
    )
    add(
        "fixed",
        [("Transpose", ["x"], ["y"])],
        {"x": (Onnx.FLOAT, [2, 3])},
        {"y": (Onnx.FLOAT, [3, 2])},
        config=ONE_INSTANCE,
        opset=7,
        ir_version=3,
    )
    add(
        "bounded",
        [("Identity", ["x"], ["y"])],
        {"x": (Onnx.FLOAT, ["batch", "n"])},
        {"y": (Onnx.FLOAT, ["batch", "n"])},
        config=ONE_INSTANCE
        + 'max_batch_size: 8 parameters { key: "max_input_bytes" value { string_value: "64" } }',
    )
    add(
        "scalar",
        [("Add", ["x", "x"], ["y"])],
        {"x": (Onnx.FLOAT, [])},
        {"y": (Onnx.FLOAT, [])},
        config=ONE_INSTANCE,
    )
    # Fails for an index above 2, within a batch of others that do not.
    add(
        "pick",
        [("Gather", ["colours", "index"], ["colour"])],
        {"index": (Onnx.INT64, ["batch", 1])},
        {"colour": (Onnx.INT64, ["batch", 1])},
        initializers=[numpy_helper.from_array(np.array([10, 20, 30]), "colours")],
        config=WHOLE_BATCHES
        + ONE_INSTANCE
        + """
        input [{ name: "index" data_type: TYPE_INT64 dims: [1] }]
        output [{ name: "colour" data_type: TYPE_INT64 dims: [1] }]
        """,
    )
    add(
        "arithmetic",
        [("Add", ["a", "b"], ["sum"]), ("Mul", ["a", "b"], ["product"])],
        {"a": (Onnx.FLOAT, ["batch", "n"]), "b": (Onnx.FLOAT, ["batch", "n"])},
        {"sum": (Onnx.FLOAT, ["batch", "n"]), "product": (Onnx.FLOAT, ["batch", "n"])},
        config=LONG_QUEUE
        + ONE_INSTANCE
        + """
        input [
          { name: "b" data_type: TYPE_FP32 dims: [-1] },
          { name: "a" data_type: TYPE_FP32 dims: [-1] }
        ]
        output [
          { name: "product" data_type: TYPE_FP32 dims: [-1] },
          { name: "sum" data_type: TYPE_FP32 dims: [-1] }
        ]
        """,
    )
    add(
        "reshaped",
        [("Neg", ["x"], ["y"]), ("ReduceSum", ["x"], ["total"], {"axes": [1], "keepdims": 0})],
        {"x": (Onnx.FLOAT, ["batch", 4])},
        {"y": (Onnx.FLOAT, ["batch", 4]), "total": (Onnx.FLOAT, ["batch"])},
        opset=11,
        file="1/network.onnx",
        config=ONE_INSTANCE
        + """
        max_batch_size: 2
        default_model_filename: "network.onnx"
        input [{ name: "x" data_type: TYPE_FP32 dims: [2, 2] reshape { shape: [4] } }]
        output [
          { name: "y" data_type: TYPE_FP32 dims: [1, 4] reshape { shape: [4] } },
          { name: "total" data_type: TYPE_FP32 dims: [1] reshape { shape: [] } }
        ]
        optimization { graph { level: 1 } }
        parameters { key: "intra_op_thread_count" value { string_value: "1" } }
        parameters { key: "execution_mode" value { string_value: "1" } }
        parameters { key: "enable_mem_arena" value { string_value: "off" } }
        parameters { key: "unknown" value { string_value: "ignored" } }
        """,
    )
    add(
        "defaults",
        [("Mul", ["x", "scale"], ["y"])],
        {"x": (Onnx.FLOAT, ["n"]), "scale": (Onnx.FLOAT, [1])},
        {"y": (Onnx.FLOAT, ["n"])},
        initializers=[numpy_helper.from_array(np.array([2], np.float32), "scale")],
        config=ONE_INSTANCE
        + """
        input [
          { name: "x" data_type: TYPE_FP32 dims: [-1] },
          { name: "scale" data_type: TYPE_FP32 dims: [1] optional: true }
        ]
        output [{ name: "y" data_type: TYPE_FP32 dims: [-1] }]
        """,
    )
    add(
        "sequence",
        [("Add", ["x", "start"], ["y"])],
        {"x": (Onnx.FLOAT, ["batch", 1]), "start": (Onnx.FLOAT, ["batch", 1])},
        {"y": (Onnx.FLOAT, ["batch", 1])},
        config=ONE_INSTANCE
        + """
        max_batch_size: 2
        input [{ name: "x" data_type: TYPE_FP32 dims: [1] }]
        output [{ name: "y" data_type: TYPE_FP32 dims: [1] }]
        sequence_batching { control_input [{
          name: "start"
          control [{ kind: CONTROL_SEQUENCE_START fp32_false_true: [0, 1] }]
        }] }
        """,
    )
    # Draws other numbers in each run, the same ones in the same order from each session.
    add(
        "random",
        [("RandomUniformLike", ["x"], ["y"], {"seed": 7.0})],
        {"x": (Onnx.FLOAT, ["batch", 4])},
        {"y": (Onnx.FLOAT, ["batch", 4])},
        config=ONE_INSTANCE
        + """
        max_batch_size: 2
        input [{ name: "x" data_type: TYPE_FP32 dims: [4] }]
        output [{ name: "y" data_type: TYPE_FP32 dims: [4] }]
        model_warmup [{
          name: "two draws" batch_size: 1 count: 2
          inputs { key: "x" value { data_type: TYPE_FP32 dims: [4] zero_data: true } }
        }]
        """,
    )
    for version, addend in ((1, 10), (2, 20)):
        add(
            "versions",
            [("Add", ["x", "addend"], ["y"])],
            {"x": (Onnx.FLOAT, [256])},
            {"y": (Onnx.FLOAT, [256])},
            initializers=[numpy_helper.from_array(np.full(256, addend, np.float32), "addend")],
            file=f"{version}/model.onnx",
            config=ONE_INSTANCE + "version_policy { all {} }",
        )
    second = root / "versions" / "2" / "model.onnx"
    onnx.save(
        onnx.load(second), second, save_as_external_data=True, location="weights", size_threshold=0
    )
    # Its first dimension is open, and is the number of elements that are not zero.
    add(
        "not_a_batch",
        [("NonZero", ["x"], ["where"]), ("Transpose", ["where"], ["y"])],
        {"x": (Onnx.FLOAT, ["batch", 3])},
        {"y": (Onnx.INT64, ["count", 2])},
        config=ONE_INSTANCE,
    )


@pytest.fixture(scope="module")
def repository(tmp_path_factory, save_onnx):
    root = tmp_path_factory.mktemp("repository")
    write_models(root, save_onnx)
    return root


@pytest.fixture(scope="module")
def server(repository):
    with serving(repository, options=()) as running:
        yield running


@pytest.fixture(scope="module")
def client(server):
    with grpc.InferenceServerClient(server.grpc_url) as connected:
        yield connected


def infer(client, model, outputs=None, **inputs):
    result = client.infer(model, tensors(inputs), outputs=requested(outputs), client_timeout=60)
    names = [output.name for output in result.get_response().outputs]
    return {name: result.as_numpy(name) for name in names}


def tensors(inputs):
    tensors = []
    for name, array in inputs.items():
        tensors.append(grpc.InferInput(name, array.shape, np_to_triton_dtype(array.dtype)))
        tensors[-1].set_data_from_numpy(array)
    return tensors


def requested(outputs):
    return outputs and [grpc.InferRequestedOutput(name) for name in outputs]


def config_of(client, model):
    return client.get_model_config(model, as_json=True)["config"]


def statistics(client, model):
    return client.get_inference_statistics(model).model_stats[0]


def in_process(repository, model, **inputs):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(repository / model / "1" / "model.onnx", options)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


def test_a_model_without_a_configuration_is_completed(client):
    config = config_of(client, "convolution")
    assert config["max_batch_size"] == 4
    assert config["dynamic_batching"]["preferred_batch_size"] == [4]
    assert config["instance_group"][0]["kind"] == "KIND_CPU"
    assert config["instance_group"][0]["count"] == 2
    assert [(e["name"], e["data_type"], e["dims"]) for e in config["input"] + config["output"]] == [
        ("x", "TYPE_FP32", ["3", "-1", "-1"]),
        ("y", "TYPE_FP32", ["4", "-1", "-1"]),
    ]


@pytest.mark.parametrize("shape", [(1, 3, 16, 16), (4, 3, 17, 31)])
def test_numbers_are_those_of_onnx_runtime(client, repository, shape):
    x = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    expected = in_process(repository, "convolution", x=x)["y"]
    np.testing.assert_allclose(infer(client, "convolution", x=x)["y"], expected, rtol=1e-5)


def values(name, shape):
    generator = np.random.default_rng(2)
    if name == "string":
        words = [b"sunflowers", b"", "Übermalung".encode(), b"\x00 between \x00"]
        return generator.choice(np.array(words, object), shape)
    if name == "bool":
        return generator.integers(0, 2, shape).astype(bool)
    return generator.integers(0, 100, shape).astype(name)


@pytest.mark.parametrize("batch", [1, 3])
def test_every_data_type_comes_back(client, batch):
    inputs = {name: values(name, (batch, 5)) for name in ELEMENTS}
    answer = infer(client, "every_type", **inputs)
    assert len(answer) == len(ELEMENTS)
    for name, array in inputs.items():
        assert answer[f"{name}_out"].dtype == array.dtype
        np.testing.assert_array_equal(answer[f"{name}_out"], array)


def test_tensors_without_elements_come_back(client):
    inputs = {name: values(name, (2, 0)) for name in ELEMENTS if name != "string"}
    inputs["string"] = values("string", (2, 1))
    answer = infer(client, "every_type", **inputs)
    assert answer["float32_out"].shape == (2, 0)


def test_a_string_that_is_not_utf8_is_the_request_s_fault(client):
    inputs = {name: values(name, (1, 1)) for name in ELEMENTS}
    inputs["string"] = np.array([[b"\xff\xfe"]], object)
    with pytest.raises(InferenceServerException, match="not UTF-8") as raised:
        infer(client, "every_type", **inputs)
    assert raised.value.status() == "StatusCode.INVALID_ARGUMENT"


def test_a_model_of_fixed_size_and_an_old_opset(client):
    assert "max_batch_size" not in config_of(client, "fixed")
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(infer(client, "fixed", x=x)["y"], x.T)


def test_a_request_may_bring_so_much_and_no_more(client):
    x = np.zeros((2, 8), np.float32)
    assert infer(client, "bounded", x=x)["y"].shape == (2, 8)
    with pytest.raises(InferenceServerException, match=r"96 bytes \('x' \[3, 8\]\)") as refused:
        infer(client, "bounded", x=np.zeros((3, 8), np.float32))
    assert refused.value.status() == "StatusCode.INVALID_ARGUMENT"


def test_scalars_are_tensors_of_one_element(client):
    config = config_of(client, "scalar")
    assert [entry["dims"] for entry in config["input"] + config["output"]] == [["1"], ["1"]]
    assert infer(client, "scalar", x=np.array([21], np.float32))["y"].tolist() == [42]


def test_only_the_outputs_that_were_asked_for_come_back(client):
    a, b = np.array([[2, 3]], np.float32), np.array([[5, 7]], np.float32)
    both = infer(client, "arithmetic", a=a, b=b)
    assert {name: array.tolist() for name, array in both.items()} == {
        "sum": [[7, 10]],
        "product": [[10, 21]],
    }
    one = infer(client, "arithmetic", outputs=["sum"], b=b, a=a)
    assert {name: array.tolist() for name, array in one.items()} == {"sum": [[7, 10]]}


def test_reshape_and_parameters(client):
    x = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
    answer = infer(client, "reshaped", x=x)
    np.testing.assert_array_equal(answer["y"], -x.reshape(2, 1, 4))
    np.testing.assert_array_equal(answer["total"], [[6], [22]])


@pytest.mark.parametrize(("version", "addend"), [("1", 10), ("2", 20)])
def test_each_version_runs_its_own_file_and_external_data(client, version, addend):
    x = tensors({"x": np.zeros(256, np.float32)})
    answer = client.infer("versions", x, model_version=version).as_numpy("y")
    np.testing.assert_array_equal(answer, np.full(256, addend))


def test_warm_up_runs_before_the_first_request(client, repository):
    session = onnxruntime.InferenceSession(repository / "random" / "1" / "model.onnx")
    x = np.zeros((1, 4), np.float32)
    draws = [session.run(["y"], {"x": x})[0].tolist() for _ in range(3)]
    assert infer(client, "random", x=x)["y"].tolist() == draws[2]
    assert draws[2] not in draws[:2]


def test_an_optional_input_may_stay_away(client):
    x = np.array([1, 2], np.float32)
    assert infer(client, "defaults", x=x)["y"].tolist() == [2, 4]
    assert infer(client, "defaults", x=x, scale=np.array([5], np.float32))["y"].tolist() == [5, 10]


def test_sequence_controls_reach_the_model(client):
    x = tensors({"x": np.zeros((1, 1), np.float32)})
    steps = [{"sequence_start": True}, {}, {"sequence_end": True}]
    answers = [client.infer("sequence", x, sequence_id=7, **step) for step in steps]
    assert [answer.as_numpy("y").item() for answer in answers] == [1, 0, 0]


def test_a_result_that_is_not_a_batch_is_an_error_and_never_cut(client):
    with pytest.raises(InferenceServerException, match=r"'y' has the shape \[2, 2\]") as raised:
        infer(client, "not_a_batch", x=np.array([[1, 0, 1]], np.float32))
    assert raised.value.status() == "StatusCode.INTERNAL"


def together(client, model, requests):
    """Sends the requests at the same time; returns each answer or error."""

    def ask(request):
        try:
            return infer(client, model, **request)
        except InferenceServerException as error:
            return error

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(ask, requests))


def test_requests_share_a_run(client):
    def runs():
        pick = statistics(client, "pick")
        return np.array([pick.inference_count, pick.execution_count])

    before = runs()
    requests = [{"index": np.array([[number % 3]])} for number in range(24)]
    answers = together(client, "pick", requests)
    assert [answer["colour"].item() for answer in answers] == [10, 20, 30] * 8
    # Triton counts a run just after its answers have left.
    until(lambda: (runs() - before == [24, 24 // BATCH]).all())


def test_a_failing_request_fails_alone_and_is_counted(client, server):
    metrics = Metrics(server.metrics_url)
    index = [0, 1, 99, 2, 0, -50, 1, 2]
    assert len(index) == BATCH
    answers = together(client, "pick", [{"index": np.array([[number]])} for number in index])
    for number, answer in zip(index, answers, strict=True):
        if number in (99, -50):
            assert answer.status() == "StatusCode.INTERNAL"
            assert answer.message().startswith("onnx runtime error 2: ")
            assert f"idx={number}" in answer.message()
        else:
            assert answer["colour"].item() == 10 * (number + 1)
    assert metrics.added("atelier_network_failures_total", model="pick") == 2


def test_shapes_that_differ_are_answered_side_by_side(client):
    sizes = [1, 2, 1, 5, 2, 1, 5, 3]
    requests = [
        {"a": np.full((1, size), size, np.float32), "b": np.ones((1, size), np.float32)}
        for size in sizes
    ]
    for size, answer in zip(sizes, together(client, "arithmetic", requests), strict=True):
        assert answer["sum"].tolist() == [[size + 1] * size]


def test_batches_of_several_rows_are_parted_right(client):
    rows = [np.array([[0], [1]]), np.array([[2]]), np.array([[1], [1], [0]]), np.array([[2], [0]])]
    assert sum(map(len, rows)) == BATCH
    answers = together(client, "pick", [{"index": index} for index in rows])
    for index, answer in zip(rows, answers, strict=True):
        np.testing.assert_array_equal(answer["colour"], 10 * (index + 1))
