"""Engines, built by a program in the place of TensorRT's that notes how it was called."""

import json
import sys

import pytest

from atelier_export.publishing import tensorrt_plan
from atelier_export.publishing.errors import PlanError
from atelier_export.publishing.served_model import GpuServing, Profile, ServedModel
from atelier_export.publishing.tensorrt_plan import build_plans

TRTEXEC = f"""#!{sys.executable}
import json, pathlib, sys
options = dict(argument[2:].partition("=")[::2] for argument in sys.argv[1:])
pathlib.Path(options["saveEngine"]).write_text(json.dumps(options))
if pathlib.Path(options["onnx"]).read_text() == "broken":
    sys.exit("it is no graph")
"""
PROFILES = {
    "image": Profile((1, 16, 16, 3), (4, 512, 512, 3), (4, 4096, 4096, 3)),
    "style": Profile((1, 1), (4, 12), (4, 64)),
}
MODELS = [
    ServedModel("style", "config", gpu=GpuServing(PROFILES)),
    ServedModel("stylize", "config"),
]


@pytest.fixture
def version(tmp_path, monkeypatch):
    """The folder of a version; `trtexec` is on the path, and nothing else."""
    program = tmp_path / "bin" / "trtexec"
    program.parent.mkdir()
    program.write_text(TRTEXEC)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    folder = tmp_path / "repository" / "style" / "3"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_text("graph")
    return folder


def test_each_network_gets_an_engine_for_its_profiles(version):
    assert build_plans(MODELS, version.parents[1], 3) == [version / "model.plan"]
    options = json.loads((version / "model.plan").read_text())
    assert options["onnx"] == str(version / "model.onnx")
    assert options["minShapes"] == "image:1x16x16x3,style:1x1"
    assert options["optShapes"] == "image:4x512x512x3,style:4x12"
    assert options["maxShapes"] == "image:4x4096x4096x3,style:4x64"
    assert "stronglyTyped" in options


def test_a_graph_in_16_bits_is_preferred(version):
    (version / "model.fp16.onnx").write_text("graph")
    build_plans(MODELS, version.parents[1], 3)
    assert json.loads((version / "model.plan").read_text())["onnx"].endswith("/model.fp16.onnx")


def test_what_does_not_build_leaves_the_engine_before_it(version):
    (version / "model.plan").write_text("before")
    (version / "model.onnx").write_text("broken")
    with pytest.raises(PlanError, match="its last words:\nit is no graph"):
        build_plans(MODELS, version.parents[1], 3)
    assert [path.name for path in sorted(version.iterdir())] == ["model.onnx", "model.plan"]
    assert (version / "model.plan").read_text() == "before"


def test_without_tensorrt_the_error_says_where_it_is(version, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(tensorrt_plan, "BESIDE_TENSORRT", "/nowhere")
    with pytest.raises(PlanError, match="NVIDIA's Triton container"):
        build_plans(MODELS, version.parents[1], 3)
