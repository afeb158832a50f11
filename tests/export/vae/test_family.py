"""The variational autoencoder from paintings to the model repository, by its commands."""

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

from atelier_export.commands.options import settings_command
from atelier_export.onnx_graph.export import check_readable
from atelier_export.onnx_graph.runtime import cpu_session
from atelier_export.publishing.publish import publish
from atelier_export.vae import family, int8, int8_calibration
from atelier_export.vae.checkpoint import load_vae_checkpoint
from atelier_export.vae.published import PublishedVAE
from atelier_export.vae.serving import ServedDecoder, ServedEncoder

SMALL = ("--steps", 4, "--batch", 4, "--warm-up", 1, "--log-every", 2)


def run(function, *arguments: object) -> str:
    command = settings_command(function.__name__, function)
    result = CliRunner().invoke(command, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def training(movements, vgg_file, tmp_path_factory) -> Path:
    """The output folder of a training."""
    output = tmp_path_factory.mktemp("run")
    said = run(
        family.train, "--paintings", movements, "--vgg", vgg_file, "--output", output,
        "--side", 32, *SMALL,
    )  # fmt: skip
    assert said.splitlines()[-1] == str(output / "vae.safetensors")
    return output


@pytest.fixture(scope="module")
def repository(training, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "repository"
    checkpoint = training / "vae.safetensors"
    publish(family.served_models(checkpoint), checkpoint, folder)
    return folder


@pytest.fixture(scope="module")
def digits_training(digits, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("digits-run")
    run(family.train_digits, "--digits", digits, "--output", output, *SMALL)
    return output


def test_a_training_leaves_a_checkpoint_that_says_how_it_was_made(training):
    checkpoint = load_vae_checkpoint(training / "vae.safetensors")
    assert checkpoint.network.config.latent_shape == (4, 4, 4)
    assert checkpoint.training["steps"] == 4
    assert checkpoint.training["corrupted"] == 0.5
    assert len(checkpoint.training["images"]) == len(checkpoint.training["vgg"]) == 64
    assert {path.name for path in training.iterdir()} >= {"loss.png", "samples-000004.jpg"}


def test_both_networks_lie_in_one_file_by_prefix(training):
    from safetensors import safe_open

    with safe_open(training / "vae.safetensors", framework="pt") as file:
        prefixes = {name.partition(".")[0] for name in file.keys()}  # noqa: SIM118
    assert prefixes == {"encoder", "decoder", "likelihood"}


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    from atelier_export.publishing.checkpoint import save_checkpoint

    path = tmp_path / "vae.safetensors"
    save_checkpoint(path, "atelier vae 1", {"encoder.x": torch.zeros(1)}, {"training": {}})
    with pytest.raises(ValueError, match="does not hold the network that it describes"):
        load_vae_checkpoint(path)
    save_checkpoint(path, "atelier classifier 1", {"x": torch.zeros(1)}, {})
    with pytest.raises(ValueError, match="is 'atelier classifier 1', not 'atelier vae 1'"):
        load_vae_checkpoint(path)


def test_both_models_are_published_and_name_each_other(repository):
    configs = {
        name: text_format.Parse((repository / name / "config.pbtxt").read_text(), ModelConfig())
        for name in ("vae_encoder", "vae_decoder")
    }
    assert {
        (name, tensor.name): list(tensor.dims)
        for name, config in configs.items()
        for tensor in (*config.input, *config.output)
    } == {
        ("vae_encoder", "image"): [32, 32, 3],
        ("vae_encoder", "mean"): [64],
        ("vae_encoder", "log_variance"): [64],
        ("vae_decoder", "latent"): [64],
        ("vae_decoder", "image"): [32, 32, 3],
    }
    manifests = {
        name: json.loads((repository / name / "1" / "manifest.json").read_text())
        for name in configs
    }
    for name, other in (("vae_encoder", "vae_decoder"), ("vae_decoder", "vae_encoder")):
        assert configs[name].HasField("dynamic_batching")
        assert len(configs[name].model_warmup) == 1
        assert manifests[name]["published_with"] == {other: manifests[other]["files"]}
        parity = manifests[name]["measured"]["parity_with_pytorch"]
        tolerance = 1 if name == "vae_decoder" else 1e-3
        assert max(parity["largest_difference"].values()) <= tolerance
        check_readable(onnx.load(repository / name / "1" / "model.onnx"))


def test_a_calibration_is_written_beside_the_checkpoint_and_exported(
    training, repository, movements, tmp_path, monkeypatch
):
    # The same networks are exported already.
    published = [
        (repository / name / "1" / "model.onnx").read_bytes()
        for name in ("vae_encoder", "vae_decoder")
    ]
    exports = iter(published)
    monkeypatch.setattr(int8_calibration, "export_graph", lambda _: next(exports))
    # So small a network, hardly trained, is near no gate.
    monkeypatch.setattr(int8, "LARGEST_LOSSES", {"psnr": 9.0, "ssim": 1.0})
    checkpoint = Path(shutil.copy(training / "vae.safetensors", tmp_path))
    said = run(family.calibrate, "--paintings", movements, "--checkpoint", checkpoint)
    assert "| 8 bits |" in said
    for model in family.served_models(checkpoint):
        assert 'default_model_filename: "model.int8.onnx"' in model.config
        part = model.name.removeprefix("vae_")
        assert {name.partition(".")[0] for name in model.quantised.ranges} == {part}


def test_exporting_again_gives_the_same_bytes(training, repository, tmp_path):
    checkpoint = training / "vae.safetensors"
    publish(family.served_models(checkpoint), checkpoint, tmp_path)
    for model in ("vae_encoder", "vae_decoder"):
        for file in ("model.onnx", "manifest.json"):
            again = (tmp_path / model / "1" / file).read_bytes()
            assert again == (repository / model / "1" / file).read_bytes()


@pytest.mark.parametrize("batch", [1, 5])
def test_the_published_graphs_compute_what_the_network_does(training, repository, batch):
    network = load_vae_checkpoint(training / "vae.safetensors").network
    encoder, decoder = (
        cpu_session((repository / name / "1" / "model.onnx").read_bytes(), threads=1)
        for name in ("vae_encoder", "vae_decoder")
    )
    image = torch.randint(0, 256, (batch, 32, 32, 3), dtype=torch.uint8)
    mean, log_variance = encoder.run(["mean", "log_variance"], {"image": image.numpy()})
    (rebuilt,) = decoder.run(["image"], {"latent": mean})
    with torch.no_grad():
        expected = ServedEncoder(network.encoder)(image)
        expected_image = ServedDecoder(network)(expected[0])
    np.testing.assert_allclose(mean, expected[0], atol=1e-3)
    np.testing.assert_allclose(log_variance, expected[1], atol=1e-3)
    assert np.abs(rebuilt.astype(int) - expected_image.numpy().astype(int)).max() <= 1


def test_the_published_decoder_gives_black_where_there_is_no_number(repository):
    content = (repository / "vae_decoder" / "1" / "model.onnx").read_bytes()
    decoder = cpu_session(content, threads=1)
    latent = np.random.default_rng(0).standard_normal((3, 64), np.float32)
    (expected,) = decoder.run(["image"], {"latent": latent})
    latent[1] = np.nan
    (image,) = decoder.run(["image"], {"latent": latent})
    assert (image[1] == 0).all()
    np.testing.assert_array_equal(image[::2], expected[::2])


def test_digits_are_learnt_by_the_same_code_and_their_bounds_reported(digits, digits_training):
    checkpoint = load_vae_checkpoint(digits_training / "vae.safetensors")
    figures = checkpoint.training["test"]
    assert figures["images"] == 20
    assert figures["elbo"] == pytest.approx(figures["reconstruction"] - figures["kl"], rel=1e-5)
    assert figures["elbo"] < figures["importance_weighted"] < 0
    assert figures["kl"] > 0
    # The training is done: the command gives the same figures again.
    run(family.train_digits, "--digits", digits, "--output", digits_training, *SMALL)
    again = load_vae_checkpoint(digits_training / "vae.safetensors")
    assert again.training == checkpoint.training


def test_the_evaluation_measures_what_is_published(
    movements, repository, digits_training, tmp_path
):
    output = tmp_path / "evaluation.json"
    compression = tmp_path / "compression.json"
    model = {"version": 1, "sha256": PublishedVAE(repository).checksums}
    compression.write_text(json.dumps({"model": model, "images": 3, "steps": []}))
    said = run(
        family.evaluate, "--paintings", movements, "--model-repository", repository,
        "--restored", 3, "--digits-checkpoint", digits_training / "vae.safetensors",
        "--compression", compression, "-o", output,
    )  # fmt: skip
    evaluation = json.loads(output.read_text())
    figures = evaluation["reconstruction"]
    assert figures["images"] > evaluation["restored_images"] > 0
    assert figures["elbo"] < -figures["kl"]
    bits = -figures["elbo"] / (3 * 32 * 32) / np.log(2)
    assert figures["bits_per_dimension"] == pytest.approx(bits)
    assert 5 < bits < 12  # hardly trained: about as many as by chance
    for sigma, quality in evaluation["noise"].items():
        # 20 log10(255 / σ), and a little more since levels are cut off.
        assert quality["noisy"]["psnr"] == pytest.approx(20 * np.log10(255 / int(sigma)), abs=1.5)
    for name in ("smooth", "biharmonic"):
        assert evaluation["holes"][name] > evaluation["holes"]["grey"]
    assert evaluation["morph"]["pairs"] == evaluation["restored_images"] // 2
    assert evaluation["morph"]["largest_step"] >= 1
    psnr = list(evaluation["variation"].values())
    assert psnr == sorted(psnr, reverse=True)  # the more noise, the farther away
    assert evaluation["digits"]["images"] == 20
    for sheet in ("restored.jpg", "morphs.jpg", "variations.jpg"):
        assert (tmp_path / sheet).stat().st_size > 1000
    assert evaluation["compression"] == {"images": 3, "steps": []}
    for table in family.tables(evaluation).values():
        assert table in said


def test_compression_of_other_models_is_no_part_of_an_evaluation(movements, repository, tmp_path):
    compression = tmp_path / "compression.json"
    compression.write_text(json.dumps({"model": {"version": 2}, "images": 3, "steps": []}))
    command = settings_command("vae", family.evaluate)
    result = CliRunner().invoke(
        command,
        ["--paintings", str(movements), "--model-repository", str(repository),
         "--restored", "1", "--compression", str(compression)],
    )  # fmt: skip
    assert result.exit_code == 1
    assert "compression.json is not of these models; run bench/" in result.output


def test_what_is_not_published_cannot_be_evaluated(movements, tmp_path):
    command = settings_command("vae", family.evaluate)
    result = CliRunner().invoke(
        command, ["--paintings", str(movements), "--model-repository", str(tmp_path)]
    )
    assert result.exit_code == 1
    assert "holds no version of vae_encoder and vae_decoder; `atelier export vae`" in result.output
