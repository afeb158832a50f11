"""The classifier from paintings to a model card, by its commands."""

import json
import shutil
from pathlib import Path

import onnx
import pytest
from click.testing import CliRunner, Result
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from atelier_export.classifier import evaluation as evaluation_module
from atelier_export.classifier import int8, int8_calibration
from atelier_export.classifier.checkpoint import load_classifier_checkpoint
from atelier_export.classifier.family import served_models
from atelier_export.classifier.report import evaluation_tables
from atelier_export.commands.groups import calibrate, evaluate, export, train
from atelier_export.data.paintings import ERAS, MOVEMENTS
from atelier_export.onnx_graph.export import check_readable
from atelier_export.publishing import publish as publish_module
from atelier_export.publishing.manifest import fingerprints
from fakes.python_models import copy_code

SMALL = (
    "--steps", 6, "--batch", 8, "--side", 32, "--last-side", 64, "--components", 4,
    "--warm-up", 1, "--log-every", 2,
)  # fmt: skip


def run(command, *arguments: object) -> Result:
    result = CliRunner().invoke(command, list(map(str, arguments)))
    assert result.exit_code in (0, 1, 2), result.exception
    return result


@pytest.fixture(scope="module")
def training(movements, vgg_file, tmp_path_factory) -> Path:
    """The output folder of a training."""
    output = tmp_path_factory.mktemp("run")
    result = run(
        train, "classifier", "--paintings", movements, "--vgg", vgg_file, "--output", output,
        *SMALL,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == str(output / "classifier.safetensors")
    return output


@pytest.fixture(scope="module")
def repository(training, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "repository"
    copy_code(folder, "classify")
    result = run(
        export, "classifier", "--checkpoint", training / "classifier.safetensors",
        "--model-repository", folder,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert result.output.endswith(f"published version 1 in {folder / 'classifier' / '1'}\n")
    return folder


@pytest.fixture(scope="module")
def digits_training(digits, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("digits-run")
    result = run(
        train, "digits-classifier", "--digits", digits, "--output", output,
        "--steps", 2, "--batch", 8, "--warm-up", 1,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    return output


def test_a_training_leaves_a_checkpoint_that_says_how_it_was_made(training):
    checkpoint = load_classifier_checkpoint(training / "classifier.safetensors")
    assert checkpoint.classes == MOVEMENTS
    assert checkpoint.training["steps"] == 6
    assert checkpoint.training["temperature"] > 0
    assert len(checkpoint.training["vgg"]) == 64
    assert (training / "loss.png").stat().st_size > 0


def test_a_training_that_is_done_gives_the_same_checkpoint_again(training, movements, vgg_file):
    before = (training / "classifier.safetensors").read_bytes()
    arguments = ("--paintings", movements, "--vgg", vgg_file, "--output", training)
    assert run(train, "classifier", *arguments, *SMALL).exit_code == 0
    again = load_classifier_checkpoint(training / "classifier.safetensors").training
    (training / "classifier.safetensors").write_bytes(before)
    assert again == load_classifier_checkpoint(training / "classifier.safetensors").training


@pytest.mark.parametrize("model", ["classifier", "classify"])
def test_both_models_are_published_with_labels(repository, model):
    config = text_format.Parse((repository / model / "config.pbtxt").read_text(), ModelConfig())
    labels = {output.name: output.label_filename for output in config.output}
    dims = {output.name: list(output.dims) for output in config.output}
    for name, names in (("probabilities", MOVEMENTS), ("era_probabilities", ERAS)):
        assert dims[name] == [len(names)]
        text = (repository / model / labels[name]).read_text()
        assert text.splitlines() == list(names)


def test_the_manifest_names_what_was_published_with_it(repository):
    manifest = json.loads((repository / "classifier" / "1" / "manifest.json").read_text())
    beside = [path for path in (repository / "classify").iterdir() if path.is_file()]
    assert len(beside) == 3
    assert manifest["published_with"] == {
        "classify": fingerprints({f"../{path.name}": path.read_bytes() for path in beside})
    }
    assert manifest["eras"] == {era: list(its) for era, its in ERAS.items()}
    parity = manifest["measured"]["parity_with_pytorch"]
    assert parity["largest_difference"].keys() == {"probabilities", "era_probabilities"}
    assert max(parity["largest_difference"].values()) <= 1e-3


def test_the_graph_is_readable_by_every_supported_release(repository):
    check_readable(onnx.load(repository / "classifier" / "1" / "model.onnx"))


def test_a_calibration_is_written_beside_the_checkpoint_and_exported(
    training, repository, movements, tmp_path, monkeypatch
):
    # The same network is exported already.
    graph = (repository / "classifier" / "1" / "model.onnx").read_bytes()
    monkeypatch.setattr(int8_calibration, "export_graph", lambda _: graph)
    # So small a network, hardly trained, is near no gate.
    monkeypatch.setattr(int8, "LARGEST_LOSS", 1.0)
    checkpoint = Path(shutil.copy(training / "classifier.safetensors", tmp_path))
    said = run(calibrate, "classifier", "--paintings", movements, "--checkpoint", checkpoint)
    assert said.exit_code == 0, said.output
    assert "| 8 bits |" in said.output
    model, _ = served_models(checkpoint)
    assert 'default_model_filename: "model.int8.onnx"' in model.config
    assert set(model.quantised.ranges) <= {
        f"network.{name}"
        for name, _ in load_classifier_checkpoint(checkpoint).network.named_parameters()
    }
    assert model.provenance["int8"]["paintings"] > 0


def test_exporting_again_changes_nothing(training, repository, monkeypatch):
    graph = (repository / "classifier" / "1" / "model.onnx").read_bytes()
    monkeypatch.setattr(publish_module, "export_graph", lambda _: graph)
    result = run(
        export, "classifier", "--checkpoint", training / "classifier.safetensors",
        "--model-repository", repository,
    )  # fmt: skip
    assert result.output.count("already holds this export; nothing was changed") == 1


def test_the_configurations_can_be_written_anew_alone(training, repository, tmp_path):
    published = shutil.copytree(repository, tmp_path / "repository")
    arguments = (
        export, "classifier", "--checkpoint", training / "classifier.safetensors",
        "--model-repository", published, "--configurations",
    )  # fmt: skip
    said = run(*arguments)
    assert said.output == f"{published} already holds these configurations; nothing was changed\n"

    # As if an older template had been published: the checksums are of that one.
    manifest = published / "classifier" / "1" / "manifest.json"
    older = json.loads(manifest.read_text())
    for folder, stated in (("classifier", "files"), ("classify", "published_with")):
        config = published / folder / "config.pbtxt"
        config.write_text("# older\n" + config.read_text())
        files = older[stated] if stated == "files" else older[stated]["classify"]
        files.update(fingerprints({"../config.pbtxt": config.read_bytes()}))
    manifest.write_text(json.dumps(older))
    network = (published / "classifier" / "1" / "model.onnx").stat().st_mtime_ns
    said = run(*arguments)
    assert said.exit_code == 0, said.output
    assert said.output.count("configured ") == 2
    for path in repository.rglob("*"):
        if path.is_file():
            assert (published / path.relative_to(repository)).read_bytes() == path.read_bytes()
    assert (published / "classifier" / "1" / "model.onnx").stat().st_mtime_ns == network
    assert [path.name for path in (published / "classifier").glob("[0-9]*")] == ["1"]


def test_configurations_need_a_published_network_and_make_no_version(training, tmp_path):
    arguments = (
        export, "classifier", "--checkpoint", training / "classifier.safetensors",
        "--model-repository", tmp_path / "repository", "--configurations",
    )  # fmt: skip
    missing = run(*arguments)
    assert missing.exit_code == 1
    assert "has no version of classifier: export the family first" in missing.output
    both = run(*arguments, "--version", 3)
    assert both.exit_code == 2
    assert "it goes with neither --version nor --tensorrt" in both.output


def test_a_classifier_of_digits_is_not_published(digits_training, tmp_path):
    result = run(
        export, "classifier", "--checkpoint", digits_training / "classifier.safetensors",
        "--model-repository", tmp_path / "repository",
    )  # fmt: skip
    assert result.exit_code == 1
    assert "Error: the classes 0, 1, 2" in result.output
    assert not (tmp_path / "repository").exists()


def test_a_checkpoint_of_another_family_is_refused(training, tmp_path):
    result = run(
        export, "style", "--checkpoint", training / "classifier.safetensors",
        "--model-repository", tmp_path / "repository",
    )  # fmt: skip
    assert result.exit_code == 1
    assert "is 'atelier classifier 1', not 'atelier style network 2'" in result.output


def test_the_evaluation_measures_what_is_published(
    training, repository, movements, vgg_file, digits, digits_training, tmp_path, monkeypatch
):
    monkeypatch.setattr(evaluation_module, "COST_SIZES", ((32, 48),))
    output = tmp_path / "evaluation.json"
    result = run(
        evaluate, "classifier", "--paintings", movements, "--vgg", vgg_file, "--cache", training,
        "--model-repository", repository, "-o", output, "--digits", digits,
        "--digits-checkpoint", digits_training / "classifier.safetensors",
        "--by-artist", training / "classifier.safetensors",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    evaluation = json.loads(output.read_text())
    figures = evaluation["classifier"]
    assert figures["images"] == evaluation["data"]["test"] > 0
    assert len(figures["confusion"]) == len(MOVEMENTS)
    assert evaluation["probe"]["accuracy"]["value"] > 0.5  # the colours tell the movement
    assert evaluation["digits"]["images"] == 20
    assert evaluation["by_artist"]["steps"] == 6
    assert evaluation["cost"]["milliseconds"].keys() == {"48×32"}
    assert (tmp_path / "confusion.png").stat().st_size > 0
    for table in evaluation_tables(evaluation).values():
        assert table in result.output


def test_what_cannot_be_evaluated_is_named(repository, movements, vgg_file, digits, tmp_path):
    arguments = ("--paintings", movements, "--vgg", vgg_file, "-o", tmp_path / "evaluation.json")
    alone = run(
        evaluate, "classifier", *arguments, "--model-repository", repository, "--digits", digits
    )
    assert alone.exit_code == 1
    assert "--digits and --digits-checkpoint belong together" in alone.output
    empty = run(evaluate, "classifier", *arguments, "--model-repository", tmp_path)
    assert empty.exit_code == 1
    assert "holds no version; `atelier export classifier` publishes one" in empty.output
