import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from atelier_onnxruntime import session
from atelier_onnxruntime.contract import Tensor
from atelier_onnxruntime.parameters import ConfigError


def parameters(**values):
    return {"parameters": {key: {"string_value": value} for key, value in values.items()}}


def graph_level(level):
    return {"optimization": {"graph": {"level": level}}}


@pytest.fixture
def version(save_onnx, tmp_path):
    shape = (TensorProto.FLOAT, ["batch", 2])
    save_onnx(tmp_path / "1" / "model.onnx", [("Relu", ["x"], ["y"])], {"x": shape}, {"y": shape})
    return tmp_path / "1"


@pytest.fixture(autouse=True)
def no_quota(monkeypatch):
    """Wherever the tests run, their cores have no limit."""
    monkeypatch.setattr(session, "core_quota", lambda: None)


def test_defaults():
    options = session.session_options({})
    level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    assert options.graph_optimization_level == level
    assert options.execution_mode == onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (0, 0)
    assert (options.enable_cpu_mem_arena, options.enable_mem_pattern) == (True, True)


def test_parameters_are_honoured():
    options = session.session_options(
        parameters(
            intra_op_thread_count="3",
            inter_op_thread_count="2",
            execution_mode="1",
            enable_mem_arena="off",
            enable_mem_pattern="0",
            some_other_key="anything",
        )
    )
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (3, 2)
    assert options.execution_mode == onnxruntime.ExecutionMode.ORT_PARALLEL
    assert (options.enable_cpu_mem_arena, options.enable_mem_pattern) == (False, False)


def test_a_thread_count_that_is_not_above_zero_is_left_to_onnx_runtime():
    assert session.session_options(parameters(intra_op_thread_count="-2")).intra_op_num_threads == 0


def test_there_are_no_more_threads_than_a_limit_leaves_cores(monkeypatch):
    monkeypatch.setattr(session, "core_quota", lambda: 3)
    assert session.session_options({}).intra_op_num_threads == 3
    assert session.session_options(parameters(intra_op_thread_count="4")).intra_op_num_threads == 4


@pytest.mark.parametrize("pool", ["intra", "inter"])
def test_threads_do_not_spin(pool):
    options = session.session_options({})
    assert options.get_session_config_entry(f"session.{pool}_op.allow_spinning") == "0"


@pytest.mark.parametrize(
    ("level", "name"), [(-1, "BASIC"), (0, "ENABLE_ALL"), (1, "EXTENDED"), (2, "DISABLE_ALL")]
)
def test_graph_level(level, name):
    options = session.session_options(graph_level(level))
    assert options.graph_optimization_level.name.endswith(name)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("execution_mode", "2"),
        ("execution_mode", "parallel"),
        ("intra_op_thread_count", "all"),
        ("enable_mem_arena", "maybe"),
        ("share_session_between_instances", "maybe"),
    ],
)
def test_values_that_are_refused(key, value):
    with pytest.raises(ConfigError, match=f"{key}.* is '?{value}"):
        session.session_options(parameters(**{key: value}))


def test_entries_that_onnx_runtime_reads_itself():
    key = "session.use_device_allocator_for_initializers"
    config = parameters(**{key: "1", "memory.enable_memory_arena_shrinkage": "cpu:0"})
    assert session.session_options(config).get_session_config_entry(key) == "1"
    shrinkage = session.run_options(config).get_run_config_entry(
        "memory.enable_memory_arena_shrinkage"
    )
    assert shrinkage == "cpu:0"


def test_an_instance_runs_with_shrinkage(version):
    config = parameters(**{"memory.enable_memory_arena_shrinkage": "cpu:0"})
    opened = session.open_instance(config, version, "CPU", 0, session.session_options({}))
    x = np.array([[-1, 2]], np.float32)
    (y,) = opened.run(["y"], {"x": x}, session.run_options(config))
    np.testing.assert_array_equal(y, [[0, 2]])


@pytest.mark.parametrize(
    ("filename", "config", "capability"),
    [
        ("model.onnx", {"default_model_filename": ""}, None),
        ("net.onnx", {"default_model_filename": "net.onnx"}, None),
        ("model.onnx/model.onnx", {"default_model_filename": "model.onnx"}, None),
        ("ada.onnx", {"cc_model_filenames": {"8.9": "ada.onnx"}}, "8.9"),
        ("model.onnx", {"cc_model_filenames": {"8.9": "ada.onnx"}}, "9.0"),
        ("model.onnx", {"cc_model_filenames": {"8.9": "ada.onnx"}}, None),
    ],
)
def test_the_file_of_a_model(tmp_path, filename, config, capability):
    path = tmp_path / filename
    path.parent.mkdir(exist_ok=True)
    path.touch()
    assert session.model_path(config, tmp_path, capability) == path


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"there is no file .*net\.onnx"):
        session.model_path({"default_model_filename": "net.onnx"}, tmp_path)


def test_a_file_that_is_no_model_is_refused(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    with pytest.raises(ConfigError, match=r"does not load .*model\.onnx.*INVALID_PROTOBUF"):
        session.open_instance({}, tmp_path, "CPU", 0, session.session_options({}))


@pytest.mark.parametrize(
    ("kind", "provider", "package"),
    [
        ("GPU", "CUDAExecutionProvider", "onnxruntime-gpu"),
        ("CPU", "OpenVINOExecutionProvider", "onnxruntime-openvino"),
    ],
)
def test_a_provider_that_is_not_installed_is_refused(version, monkeypatch, kind, provider, package):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    accelerators = {"cpu_execution_accelerator": [{"name": "openvino"}]}
    config = {"optimization": {"execution_accelerators": accelerators}}
    with pytest.raises(ConfigError, match=f"has no {provider}: pip install {package}"):
        session.open_instance(config, version, kind, 0, session.session_options({}))


def test_a_provider_that_does_not_start_is_refused(version, monkeypatch):
    # ONNX Runtime drops such a provider with no more than a line in its log.
    available = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: available)
    with (
        pytest.warns(UserWarning, match="CUDAExecutionProvider"),
        pytest.raises(ConfigError, match="CUDAExecutionProvider did not start"),
    ):
        session.open_instance({}, version, "GPU", 0, session.session_options({}))


def test_signature(save_onnx, tmp_path):
    path = save_onnx(
        tmp_path / "model.onnx",
        [("Mul", ["x", "scale"], ["scaled"]), ("Cast", ["scaled"], ["y"], {"to": 16})],
        {"x": (TensorProto.FLOAT, ["batch", None, 3]), "scale": (TensorProto.FLOAT, [])},
        {"y": (TensorProto.BFLOAT16, ["batch", None, 3])},
        initializers=[numpy_helper.from_array(np.float32(2), "scale")],
    )
    signature = session.peek({}, path.parent)
    assert signature.inputs == {"x": Tensor("float", (-1, -1, 3))}
    assert signature.defaults == {"scale": Tensor("float", ())}
    assert signature.outputs == {"y": Tensor("bfloat16", (-1, -1, 3))}
    assert signature.outputs["y"].data_type == "TYPE_INVALID"


def test_an_output_that_is_no_tensor_is_refused(tmp_path):
    tensor = helper.make_tensor_type_proto(TensorProto.FLOAT, ["n"])
    graph = helper.make_graph(
        [helper.make_node("SequenceConstruct", ["x"], ["many"])],
        "graph",
        [helper.make_value_info("x", tensor)],
        [helper.make_value_info("many", helper.make_sequence_type_proto(tensor))],
    )
    opsets = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ConfigError, match=r"'many' of the model is a seq\(tensor\(float\)\)"):
        session.peek({}, tmp_path)
