"""The generator from paintings to the model repository, by its commands."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from atelier_export.classifier.checkpoint import (
    ClassifierCheckpoint,
    save_classifier_checkpoint,
)
from atelier_export.classifier.network import Classifier, ClassifierConfig
from atelier_export.commands.options import settings_command
from atelier_export.data.mnist import DIGITS
from atelier_export.data.paintings import MOVEMENTS
from atelier_export.generator import family, int8, int8_calibration
from atelier_export.generator.checkpoint import load_generator_checkpoint
from atelier_export.generator.serving import ServedGenerator
from atelier_export.onnx_graph.export import check_readable
from atelier_export.onnx_graph.runtime import cpu_session
from atelier_export.publishing import publish as publish_module
from atelier_export.publishing.manifest import fingerprints
from atelier_export.publishing.publish import publish
from atelier_export.vae.checkpoint import VAECheckpoint, save_vae_checkpoint
from atelier_export.vae.network import VAE, VAEConfig
from fakes.python_models import copy_code

SMALL = (
    "--steps", 4, "--batch", 4, "--latent", 8, "--width", 6, "--warm-up", 1, "--log-every", 2
)  # fmt: skip


def invoke(function, *arguments: object):
    command = settings_command(function.__name__, function)
    return CliRunner().invoke(command, list(map(str, arguments)))


def run(function, *arguments: object) -> str:
    result = invoke(function, *arguments)
    assert result.exit_code == 0, result.output
    return result.output


def _classifier(folder: Path, classes: tuple[str, ...], side: int) -> Path:
    """A small classifier with random weights."""
    torch.manual_seed(0)
    config = ClassifierConfig(len(classes), stem=(4,), channels=(4, 6), blocks=(0, 0))
    path = folder / f"classifier-{len(classes)}.safetensors"
    save_classifier_checkpoint(
        path, ClassifierCheckpoint(Classifier(config), classes, {"last_side": side})
    )
    return path


@pytest.fixture(scope="module")
def networks(tmp_path_factory) -> dict[str, Path]:
    """An autoencoder and classifiers with random weights."""
    folder = tmp_path_factory.mktemp("networks")
    torch.manual_seed(0)
    vae = VAE(VAEConfig(side=32, channels=(4, 6, 8), blocks=(0, 0, 1), latent_channels=2))
    save_vae_checkpoint(folder / "vae.safetensors", VAECheckpoint(vae, {}))
    return {
        "vae": folder / "vae.safetensors",
        "movements": _classifier(folder, MOVEMENTS, 24),
        "digits": _classifier(folder, DIGITS, 28),
    }


@pytest.fixture(scope="module")
def training(movements, networks, tmp_path_factory) -> Path:
    """The output folder of a training."""
    output = tmp_path_factory.mktemp("run")
    said = run(
        family.train, "--paintings", movements, "--vae", networks["vae"], "--output", output, *SMALL
    )
    assert said.splitlines()[-1] == str(output / "generator.safetensors")
    return output


@pytest.fixture(scope="module")
def repository(training, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "repository"
    checkpoint = training / "generator.safetensors"
    for model in ("latents", "generate"):
        copy_code(folder, model)
    publish(family.served_models(checkpoint), checkpoint, folder)
    return folder


@pytest.fixture(scope="module")
def digits_training(digits, networks, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("digits-run")
    run(
        family.train_digits, "--digits", digits, "--classifier", networks["digits"],
        "--output", output, *SMALL,
    )  # fmt: skip
    return output


def test_a_training_leaves_a_checkpoint_that_says_how_it_was_made(training):
    checkpoint = load_generator_checkpoint(training / "generator.safetensors")
    assert checkpoint.painter.generator.config.side == 8
    assert checkpoint.classes == MOVEMENTS
    assert checkpoint.training["steps"] == 4
    assert len(checkpoint.training["images"]) == len(checkpoint.training["vae"]) == 64
    assert {path.name for path in training.iterdir()} >= {"loss.png", "samples-000004.jpg"}


def test_a_calibration_is_written_beside_the_checkpoint_and_exported(
    training, repository, movements, networks, tmp_path, monkeypatch
):
    # The same network is exported already.
    graph = (repository / "generator" / "1" / "model.onnx").read_bytes()
    monkeypatch.setattr(int8_calibration, "export_graph", lambda _: graph)
    # So small a network, hardly trained, is near no gate.
    monkeypatch.setattr(int8, "LARGEST_INCREASE", 100.0)
    monkeypatch.setattr(int8, "LARGEST_LOSS", 1.0)
    checkpoint = Path(shutil.copy(training / "generator.safetensors", tmp_path))
    said = run(
        family.calibrate, "--paintings", movements, "--classifier", networks["movements"],
        "--checkpoint", checkpoint,
    )  # fmt: skip
    assert "| 8 bits |" in said
    model, *_ = family.served_models(checkpoint)
    assert 'default_model_filename: "model.int8.onnx"' in model.config
    assert {name.split(".")[1] for name in model.quantised.ranges} == {"decoder"}


def test_the_model_is_published_with_its_movements(repository):
    folder = repository / "generator"
    config = text_format.Parse((folder / "config.pbtxt").read_text(), ModelConfig())
    tensors = {each.name: list(each.dims) for each in (*config.input, *config.output)}
    assert tensors == {"latent": [8], "movement": [1], "image": [32, 32, 3]}
    assert config.parameters["movements"].string_value == ",".join(MOVEMENTS)
    assert config.HasField("dynamic_batching")
    assert len(config.model_warmup) == 1
    manifest = json.loads((folder / "1" / "manifest.json").read_text())
    assert manifest["measured"]["parity_with_pytorch"]["largest_difference"]["image"] <= 1
    check_readable(onnx.load(folder / "1" / "model.onnx"))


@pytest.mark.parametrize("batch", [1, 5])
def test_the_published_graph_paints_what_the_network_does(training, repository, batch):
    painter = load_generator_checkpoint(training / "generator.safetensors").painter
    graph = (repository / "generator" / "1" / "model.onnx").read_bytes()
    latent = torch.randn(batch, 8)
    movement = torch.arange(batch)[:, None] * 3 - 1  # some are out of range
    feed = {"latent": latent.numpy(), "movement": movement.numpy()}
    (image,) = cpu_session(graph, threads=1).run(["image"], feed)
    with torch.no_grad():
        expected = ServedGenerator(painter)(latent, movement).numpy()
    assert np.abs(image.astype(int) - expected.astype(int)).max() <= 1


def test_exporting_again_changes_nothing(training, repository, monkeypatch):
    graph = (repository / "generator" / "1" / "model.onnx").read_bytes()
    monkeypatch.setattr(publish_module, "export_graph", lambda _: graph)
    checkpoint = training / "generator.safetensors"
    models = family.served_models(checkpoint)
    before = {file: file.read_bytes() for file in repository.rglob("*") if file.is_file()}
    publication = publish_module.publish(models, checkpoint, repository)
    assert not publication.is_new
    assert publication.folders == (repository / "generator" / "1",)
    assert {file: file.read_bytes() for file in repository.rglob("*") if file.is_file()} == before


def test_the_models_in_python_get_the_configurations_that_the_manifest_names(repository):
    manifest = json.loads((repository / "generator" / "1" / "manifest.json").read_text())
    stated = manifest["published_with"]
    assert set(stated) == {"latents", "generate"}
    for name in stated:
        config = (repository / name / "config.pbtxt").read_bytes()
        assert stated[name] == fingerprints({"../config.pbtxt": config})
        assert ",".join(MOVEMENTS).encode() in config


def test_digits_are_learnt_by_the_same_code_and_judged(digits, networks, digits_training):
    checkpoint = load_generator_checkpoint(digits_training / "generator.safetensors")
    figures = checkpoint.training["test"]
    assert figures["images"] == 20
    assert sum(figures["shares"]) == pytest.approx(1)
    assert figures["asked_shares"] == pytest.approx([0.1] * 10)
    assert 0 <= figures["accuracy"] <= 1
    assert 0.1 <= figures["confidence"] <= 1
    assert figures["frechet_distance"] > figures["floor"] >= 0
    # The training is done: the command gives the same figures again.
    run(
        family.train_digits, "--digits", digits, "--classifier", networks["digits"],
        "--output", digits_training, *SMALL,
    )  # fmt: skip
    again = load_generator_checkpoint(digits_training / "generator.safetensors")
    assert again.training == checkpoint.training


def test_the_evaluation_measures_what_is_published(
    movements, networks, repository, digits_training, tmp_path
):
    output = tmp_path / "evaluation.json"
    said = run(
        family.evaluate, "--paintings", movements, "--classifier", networks["movements"],
        "--model-repository", repository,
        "--digits-checkpoint", digits_training / "generator.safetensors", "-o", output,
    )  # fmt: skip
    evaluation = json.loads(output.read_text())
    assert list(evaluation["samples"]) == ["4.0", "1.0", "0.5"]
    for figures in (evaluation["test"], *evaluation["samples"].values()):
        assert figures["frechet_distance"] >= 0
        assert figures["diversity"] > 0
        assert 0 <= figures["recognised"] <= 1
    assert list(evaluation["movements"]) == list(MOVEMENTS)
    images = [each["images"] for each in evaluation["movements"].values()]
    assert sum(images) == evaluation["images"]["test"] > 0
    for sets in evaluation["nearest"].values():
        assert all(sorted(quantiles) == quantiles for quantiles in sets.values())
    assert evaluation["digits"]["images"] == 20
    assert {path.name for path in tmp_path.iterdir()} == {
        "evaluation.json", "samples.jpg", "nearest.jpg", "walks.jpg"
    }  # fmt: skip
    for table in family.tables(evaluation).values():
        assert table in said


def test_what_is_not_published_cannot_be_evaluated(movements, networks, tmp_path):
    result = invoke(
        family.evaluate, "--paintings", movements, "--classifier", networks["movements"],
        "--model-repository", tmp_path,
    )  # fmt: skip
    assert result.exit_code == 1
    assert "generator holds no version; `atelier export generator` publishes one" in result.output


def test_a_classifier_of_other_classes_cannot_judge(digits, networks, tmp_path):
    result = invoke(
        family.train_digits, "--digits", digits, "--classifier", networks["movements"],
        "--output", tmp_path, *SMALL,
    )  # fmt: skip
    assert result.exit_code == 1
    assert "knows the classes abstract, baroque" in result.output
    assert "not 0, 1, 2" in result.output


def test_an_autoencoder_is_needed(movements, networks, tmp_path):
    result = invoke(
        family.train, "--paintings", movements, "--vae", networks["movements"],
        "--output", tmp_path, *SMALL,
    )  # fmt: skip
    assert result.exit_code == 1
    assert "is 'atelier classifier 1', not 'atelier vae 1'" in result.output
