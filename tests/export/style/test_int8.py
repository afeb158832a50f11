import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from atelier_export.onnx_graph.export import check_readable
from atelier_export.onnx_graph.quantisation import measure_ranges
from atelier_export.publishing import publish as publish_module
from atelier_export.publishing.calibration import (
    Calibration,
    calibration_file,
    load_calibration,
)
from atelier_export.publishing.errors import QualityError
from atelier_export.publishing.manifest import sha256
from atelier_export.publishing.publish import publish
from atelier_export.publishing.served_model import ConvRange
from atelier_export.style import serving
from atelier_export.style.family import served_models
from atelier_export.style.int8 import StyleQuality
from atelier_export.style.serving import style_graph

FLOAT32 = {"red": {"content": 0.8, "style": 0.1, "moved": 9.0, "noise": 0.5}}
SIZES = ((17, 31), (63, 48))
STEM = "network.stem.conv.weight"


def quality(**changed: float) -> StyleQuality:
    """Equal to float32, apart from the measures that are given as factors."""
    int8 = {"red": {name: value * changed.get(name, 1) for name, value in FLOAT32["red"].items()}}
    return StyleQuality(FLOAT32, int8, changed.get("mean", 1.5), 40, 20)


@pytest.fixture(scope="module")
def checkpoint(checkpoint_file, graph, tmp_path_factory):
    """The small network with a calibration that leaves the stem in float32."""
    file = Path(shutil.copy(checkpoint_file, tmp_path_factory.mktemp("calibrated")))
    random = np.random.default_rng(0)
    batches = [
        {
            "image": random.integers(0, 256, (1, 64, 48, 3), dtype=np.uint8),
            "style": np.eye(1, 3, number, dtype=np.float32),
        }
        for number in range(3)
    ]
    ranges = measure_ranges(graph, batches)
    *inner, _ = ranges
    inner.remove(STEM)
    Calibration(
        sha256(file.read_bytes()),
        {"style": {weight: ranges[weight] for weight in inner}},
        quality(),
    ).save(calibration_file(file))
    return file


@pytest.fixture(scope="module", autouse=True)
def quick(graph):
    """Spares `publish` another export of the network, and the comparison of large images."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publish_module, "export_graph", lambda _: graph)
        patch.setattr(serving, "style_graph", lambda network: style_graph(network, SIZES))
        yield


@pytest.fixture(scope="module")
def repository(checkpoint, tmp_path_factory):
    folder = tmp_path_factory.mktemp("repository")
    publish(served_models(checkpoint), checkpoint, folder)
    return folder


def test_the_gate_passes_what_changes_little():
    quality(content=1.009, style=0.991, moved=1.005, noise=3, mean=2.9).check()


@pytest.mark.parametrize(
    "changed",
    [{"content": 1.011}, {"style": 0.989}, {"moved": 1.02}, {"mean": 3.1}, {"style": float("nan")}],
)
def test_the_gate_refuses_what_changes_more(changed):
    with pytest.raises(QualityError, match=r"8 bits change .* is allowed: keep more layers"):
        quality(**changed).check()


def test_all_files_are_published_with_what_was_measured(checkpoint, repository):
    folder = repository / "style" / "1"
    assert {path.name for path in folder.iterdir()} == {
        "model.onnx",
        "model.fp16.onnx",
        "model.int8.onnx",
        "manifest.json",
    }
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["files"]["model.int8.onnx"]["sha256"] == sha256(
        (folder / "model.int8.onnx").read_bytes()
    )
    assert manifest["int8"] == dataclasses.asdict(quality())
    difference = manifest["measured"]["int8_difference_from_pytorch"]["stylized"]
    assert 0 < difference["mean"] <= 4
    model = onnx.load(folder / "model.int8.onnx")
    check_readable(model)
    types = {each.name: each.data_type for each in model.graph.initializer}
    kept = [STEM, "network.head.weight"]
    assert [types[name] for name in kept] == [onnx.TensorProto.FLOAT] * 2
    assert types["network.up.0.weight/int8"] == onnx.TensorProto.INT8


def test_processors_take_8_bits_and_gpus_float32(repository):
    config = text_format.Parse((repository / "style" / "config.pbtxt").read_text(), ModelConfig())
    assert config.default_model_filename == "model.int8.onnx"
    assert set(config.cc_model_filenames.values()) == {"model.onnx"}
    assert "8.9" in config.cc_model_filenames


def test_the_8_bits_of_a_graph_are_reproducible(checkpoint, repository, tmp_path):
    publish(served_models(checkpoint), checkpoint, tmp_path)
    for name in ("model.int8.onnx", "../config.pbtxt"):
        paths = [folder / "style" / "1" / name for folder in (repository, tmp_path)]
        assert paths[0].read_bytes() == paths[1].read_bytes()


def altered(checkpoint, folder, /, **fields):
    file = folder / checkpoint.name
    file.write_bytes(checkpoint.read_bytes())
    calibration = load_calibration(calibration_file(checkpoint), StyleQuality)
    dataclasses.replace(calibration, **fields).save(calibration_file(file))
    return file


def test_a_calibration_that_misses_the_gate_is_refused(checkpoint, tmp_path):
    with pytest.raises(QualityError, match="style of red by"):
        served_models(altered(checkpoint, tmp_path, quality=quality(style=1.02)))


def test_a_calibration_of_other_weights_is_refused(checkpoint, tmp_path):
    with pytest.raises(ValueError, match="was measured on other weights"):
        served_models(altered(checkpoint, tmp_path, checkpoint="0"))


def test_ranges_that_fit_no_image_are_refused_and_nothing_is_published(checkpoint, tmp_path):
    ranges = load_calibration(calibration_file(checkpoint), StyleQuality).ranges["style"]
    narrow = dict.fromkeys(ranges, ConvRange((0, 0.01), (-0.01, 0.01)))
    file = altered(checkpoint, tmp_path, ranges={"style": narrow})
    with pytest.raises(QualityError, match="stylized in 8 bits differs from PyTorch's by"):
        publish(served_models(file), file, tmp_path / "repository")
    assert not list((tmp_path / "repository").iterdir())


def test_without_a_calibration_float32_alone_is_served(checkpoint, tmp_path):
    file = tmp_path / checkpoint.name
    file.write_bytes(checkpoint.read_bytes())
    style, _ = served_models(file)
    assert style.quantised is None
    assert "model_filename" not in style.config


def test_what_is_no_calibration_is_refused(tmp_path):
    file = tmp_path / "style.int8.json"
    file.write_text("[]")
    with pytest.raises(ValueError, match=r"is no calibration .* `atelier calibrate`"):
        load_calibration(file, StyleQuality)
