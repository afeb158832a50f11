"""`--backend-config=onnxruntime,…`: honoured, or refused by name."""

import pytest

from atelier_onnxruntime import parameters
from atelier_serving.backend_options import VARIABLE, environment_of
from atelier_serving.options import Settings

IDENTITY = """
<ir_version: 8, opset_import: ["" : 18]>
identity (float[batch, 3] x) => (float[batch, 3] y)
{
    y = Identity (x)
}
"""


@pytest.mark.parametrize(
    ("options", "size"),
    [
        (["--backend-config=onnxruntime,default-max-batch-size=16"], "16"),
        (["--backend-config", "onnxruntime,default-max-batch-size=16"], "16"),
        (["--backend-config=default-max-batch-size=8"], "8"),
        (
            [
                "--backend-config=onnxruntime,default-max-batch-size=16",
                "--backend-config=default-max-batch-size=8",
            ],
            "16",
        ),
    ],
)
def test_a_default_batch_size_reaches_the_backend(options, size):
    assert environment_of(options) == {VARIABLE: size}
    assert parameters.default_max_batch_size(environment_of(options)) == int(size)


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--backend-config=python,default-max-batch-size=16"],
        ["--backend-config=onnxruntime,enable-global-threadpool=0"],
        ["--backend-config=onnxruntime,stub-timeout-seconds=90", "--log-verbose=1"],
        ["--backend-config"],
    ],
)
def test_other_options_change_nothing(options):
    assert environment_of(options) == {}
    assert parameters.default_max_batch_size({}) == 4


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("enable-global-threadpool=1", "enable-global-threadpool: each instance .* is a process"),
        ("intra_op_thread_count=2", "intra_op_thread_count: .* global thread pool"),
        ("inter_op_thread_count=2", "inter_op_thread_count: .* global thread pool"),
        ("default-max-batchsize=2", "no such setting; the nearest is default-max-batch-size"),
        ("xyz=2", "xyz: the embedded backend knows no such setting$"),
        ("default-max-batch-size=many", "default-max-batch-size is 'many'; give a whole number"),
    ],
)
def test_what_is_not_honoured_is_refused_by_name(setting, message):
    with pytest.raises(ValueError, match=message):
        Settings(repositories=("models",), options=(f"--backend-config=onnxruntime,{setting}",))


def test_a_model_without_a_batch_size_gets_the_default(start, tmp_path):
    onnx = pytest.importorskip("onnx")
    (tmp_path / "network" / "1").mkdir(parents=True)
    onnx.save(onnx.parser.parse_model(IDENTITY), tmp_path / "network" / "1" / "model.onnx")
    (tmp_path / "network" / "config.pbtxt").write_text('backend: "onnxruntime"')
    server = start(tmp_path, options=["--backend-config=onnxruntime,default-max-batch-size=16"])
    config = server._control().config("network")
    assert config["max_batch_size"] == 16
    assert "dynamic_batching" in config
