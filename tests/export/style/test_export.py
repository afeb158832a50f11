import hashlib
import json
import socket
import sys
from pathlib import Path

import click
import numpy as np
import onnx
import onnxruntime
import pytest
from click.testing import CliRunner
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from atelier_export.commands.groups import export
from atelier_export.onnx_graph.export import check_readable
from atelier_export.onnx_graph.parity import measure_parity
from atelier_export.publishing import publish as publish_module
from atelier_export.publishing.errors import ParityError
from atelier_export.style import serving as serving_module
from atelier_export.style.checkpoint import load_style_checkpoint
from atelier_export.style.network import StyleNetwork
from atelier_export.style.serving import PARITY_SIZES, style_graph, style_mixtures

SIZES = ((16, 16), (17, 31), (63, 48), (130, 190))


@pytest.fixture(scope="module")
def network(checkpoint_file: Path) -> StyleNetwork:
    return load_style_checkpoint(checkpoint_file).network


def test_the_graph_has_the_names_and_sizes_of_the_contract(graph):
    model = onnx.load_from_string(graph)
    tensors = {
        tensor.name: (
            tensor.type.tensor_type.elem_type,
            [size.dim_param or size.dim_value for size in tensor.type.tensor_type.shape.dim],
        )
        for tensor in (*model.graph.input, *model.graph.output)
    }
    assert tensors == {
        "image": (onnx.TensorProto.UINT8, ["batch", "height", "width", 3]),
        "style": (onnx.TensorProto.FLOAT, ["batch", "weights"]),
        "stylized": (onnx.TensorProto.UINT8, ["batch", "height", "width", 3]),
    }


def test_the_graph_is_readable_by_every_supported_release(graph):
    model = onnx.load_from_string(graph)
    check_readable(model)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 20)]
    assert model.ir_version == 10
    assert not model.functions


def test_nothing_of_the_machine_or_the_source_code_is_in_the_graph(graph):
    root = Path(__file__).parents[2]
    for trace in (str(root), sys.prefix, str(Path.home()), socket.gethostname(), ".py", "torch"):
        assert trace.encode() not in graph
    model = onnx.load_from_string(graph)
    parts = (model, model.graph, *model.graph.node, *model.graph.initializer, *model.graph.input)
    assert not any(part.doc_string or part.metadata_props for part in parts)


def test_the_graph_has_no_slow_indexing(graph):
    kinds = {node.op_type for node in onnx.load_from_string(graph).graph.node}
    assert {"InstanceNormalization", "Pad", "Split"} <= kinds
    assert not kinds & {"Gather", "GatherND", "ScatterND", "Expand", "If", "Loop", "Resize"}


def test_images_keep_their_size_and_a_batch_equals_its_images_alone(graph):
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    random = np.random.default_rng(0)
    styles = np.eye(3, dtype=np.float32)
    for height, width in [(16, 16), (16, 99), (33, 18), (101, 67)]:
        images = random.integers(0, 256, (3, height, width, 3), dtype=np.uint8)
        (together,) = session.run(None, {"image": images, "style": styles})
        assert together.shape == images.shape
        assert together.dtype == np.uint8
        (alone,) = session.run(None, {"image": images[2:], "style": styles[2:]})
        assert np.abs(together[2:].astype(int) - alone.astype(int)).max() <= 1


def test_weights_of_another_version_mean_the_same(graph):
    """Names are only appended: what is missing is 0, and what no style of this network has is 0."""
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    image = np.random.default_rng(0).integers(0, 256, (1, 20, 30, 3), dtype=np.uint8)

    def paint(*weights: float) -> bytes:
        feed = {"image": image, "style": np.array([weights], np.float32)}
        return session.run(None, feed)[0].tobytes()

    assert paint(0.3, 0.7) == paint(0.3, 0.7, 0) == paint(0.3, 0.7, 0, 0, 0, 0, 0)
    assert paint(1) == paint(1, 0, 0)
    assert paint(0, 0, 0, 1) == paint(0, 0, 0) == paint() == image.tobytes()
    assert paint(1) != paint(0, 1) != paint(0, 0, 1)


def test_parity_is_measured_at_every_size_batch_and_style(network, graph):
    cases = measure_parity(style_graph(network, SIZES), graph)
    measured = {case.inputs["image"] for case in cases}
    assert measured == {f"{n}×{h}×{w}×3" for h, w in SIZES for n in (1, 2, 3)}
    assert max(case.outputs["stylized"].largest_difference for case in cases) <= 1
    assert max(case.outputs["stylized"].differing for case in cases) < 0.05
    mixtures = style_mixtures(3)
    assert [round(mixture.sum().item(), 6) for mixture in mixtures] == [1, 1, 1, 1, 1, 0, 0.5, 2]
    assert {int(case.inputs["style"].split("×")[1]) for case in cases} == {2, 3, 4}
    assert sum(
        int(case.inputs["image"][0]) for case in cases if "×16×16×" in case.inputs["image"]
    ) >= len(mixtures)


def perturbed(graph: bytes, share: float) -> bytes:
    """The graph with one weight in each convolution changed by a share of itself."""
    model = onnx.load_from_string(graph)
    for weight in model.graph.initializer:
        if weight.dims and len(weight.dims) == 4:
            values = onnx.numpy_helper.to_array(weight).copy()
            values[np.unravel_index(np.abs(values).argmax(), values.shape)] *= 1 + share
            weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    return model.SerializeToString()


def test_another_image_is_no_parity(network, graph):
    with pytest.raises(ParityError, match=r"stylized from ONNX Runtime differs .* by \d+ \(at"):
        measure_parity(style_graph(network, SIZES), perturbed(graph, 0.5))


def test_a_graph_that_takes_no_strength_above_1_is_no_parity(network, graph):
    model = onnx.load_from_string(graph)
    for node in model.graph.node:
        node.input[:] = ["clipped" if name == "style" else name for name in node.input]
    for name, bound in (("least", 0), ("most", 1)):
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(bound), name))
    clip = onnx.helper.make_node("Clip", ["style", "least", "most"], ["clipped"])
    model.graph.node.insert(0, clip)
    with pytest.raises(ParityError, match="differs from PyTorch's"):
        measure_parity(style_graph(network, SIZES), model.SerializeToString())


def test_an_image_of_another_size_is_no_parity(network, graph):
    model = onnx.load_from_string(graph)
    (transpose,) = (node for node in model.graph.node if node.output[0] == "stylized")
    transpose.op_type = "Identity"
    del transpose.attribute[:]
    model.graph.output[0].type.tensor_type.ClearField("shape")
    with pytest.raises(ParityError, match="the shape of stylized is"):
        measure_parity(style_graph(network, SIZES), model.SerializeToString())


def test_the_repository_holds_model_configuration_and_manifest(exported, checkpoint_file):
    folder = exported / "style"
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == [
        "config.pbtxt",
        "gpu.pbtxt",
        "manifest.json",
        "model.fp16.onnx",
        "model.onnx",
        "tensorrt.pbtxt",
        "tensorrt_plan.pbtxt",
    ]
    config = text_format.Parse((folder / "config.pbtxt").read_text(), ModelConfig())
    assert config.parameters["styles"].string_value == "red,green,blue"
    manifest = json.loads((folder / "1" / "manifest.json").read_text())
    for name, fingerprint in manifest["files"].items():
        content = (folder / "1" / name).read_bytes()
        assert fingerprint == {
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
    configs = ("gpu", "tensorrt", "tensorrt_plan")
    assert set(manifest["files"]) == {
        *("model.onnx", "model.fp16.onnx", "../config.pbtxt"),
        *(f"../configs/{name}.pbtxt" for name in configs),
    }
    difference = manifest["measured"]["fp16_difference_from_pytorch"]["stylized"]
    assert 0 <= difference["mean"] <= 0.1
    assert manifest["checkpoint"] == {
        "file": "small.safetensors",
        "sha256": hashlib.sha256(checkpoint_file.read_bytes()).hexdigest(),
    }
    assert manifest["network"] == {
        "styles": 3,
        "patch": 1,
        "channels": [4, 8],
        "blocks": [0, 1],
        "block": "residual",
    }
    assert manifest["styles"] == ["red", "green", "blue"]
    assert manifest["measured"]["tools"]["onnxruntime"] == onnxruntime.__version__
    assert manifest["measured"]["parity_with_pytorch"]["largest_difference"]["stylized"] <= 1
    cases = manifest["measured"]["parity_with_pytorch"]["batches"]
    assert {case["inputs"]["image"] for case in cases} == {
        f"{n}×{h}×{w}×3" for h, w in PARITY_SIZES for n in (1, 2, 3)
    }


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, graph: bytes) -> pytest.MonkeyPatch:
    """The graph is there already, and small sizes are enough."""
    monkeypatch.setattr(publish_module, "export_graph", lambda _: graph)
    small = SIZES[:1]
    monkeypatch.setattr(serving_module, "style_graph", lambda network: style_graph(network, small))
    return monkeypatch


def run(*arguments: str | Path) -> click.testing.Result:
    return CliRunner().invoke(export, ["style", *map(str, arguments)])


def test_the_names_go_to_stylize_where_it_is_served(quick, checkpoint_file, tmp_path):
    repository = tmp_path / "repository"
    arguments = ("--checkpoint", checkpoint_file, "--model-repository", repository)
    assert f"{repository} has no model stylize to configure" in run(*arguments).output
    code = repository / "stylize" / "1" / "model.py"
    code.parent.mkdir(parents=True)
    code.write_text("by hand")
    assert "has no model stylize" not in run(*arguments).output
    config = text_format.Parse((code.parents[1] / "config.pbtxt").read_text(), ModelConfig())
    assert config.parameters["styles"].string_value == "red,green,blue"
    assert [path.name for path in code.parents[1].rglob("*.*")] == ["config.pbtxt", "model.py"]
    manifest = json.loads((repository / "style" / "2" / "manifest.json").read_text())
    assert set(manifest["published_with"]["stylize"]) == {"../config.pbtxt"}


def test_exporting_again_changes_nothing_and_says_so(quick, exported, checkpoint_file):
    before = sorted(exported.rglob("*"))
    result = run("--checkpoint", checkpoint_file, "--model-repository", exported)
    assert result.exit_code == 0
    assert result.output.endswith(
        f"{exported / 'style' / '1'} already holds this export; nothing was changed\n"
    )
    assert sorted(exported.rglob("*")) == before


def test_the_distribution_for_the_gpu_has_onnx_runtime_too(quick, checkpoint_file, tmp_path):
    def installed(tool: str) -> str:
        assert tool != "onnxruntime", "it is called onnxruntime-gpu there"
        return "1"

    quick.setattr(publish_module, "installed_version", installed)
    result = run("--checkpoint", checkpoint_file, "--model-repository", tmp_path / "repository")
    assert result.exit_code == 0, result.exception


def test_the_version_can_be_chosen(quick, checkpoint_file, tmp_path):
    arguments = ("--checkpoint", checkpoint_file, "--model-repository", tmp_path / "repository")
    assert "published version 7 in" in run(*arguments, "--version", "7").output
    result = run(*arguments, "--version", "3")
    assert result.exit_code == 1
    assert "Error: version 3 of style cannot be published" in result.output


def test_without_parity_nothing_is_published(quick, graph, checkpoint_file, tmp_path):
    quick.setattr(publish_module, "export_graph", lambda _: perturbed(graph, 0.5))
    result = run("--checkpoint", checkpoint_file, "--model-repository", tmp_path / "repository")
    assert result.exit_code == 1
    assert "Error: stylized from ONNX Runtime differs from PyTorch's by" in result.output
    assert not list((tmp_path / "repository").iterdir())


def test_a_missing_checkpoint_is_reported(tmp_path):
    result = run("--checkpoint", tmp_path / "none", "--model-repository", tmp_path / "repository")
    assert result.exit_code == 1
    assert "none does not exist; `atelier train style` writes checkpoints" in result.output
    assert not (tmp_path / "repository").exists()
