from pathlib import Path

import pytest
import torch
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from atelier_export.generator.checkpoint import (
    GeneratorCheckpoint,
    load_generator_checkpoint,
    save_generator_checkpoint,
)
from atelier_export.generator.network import GANConfig, Generator
from atelier_export.generator.painter import LatentDecoder, Painter, PixelDecoder
from atelier_export.generator.serving import ServedGenerator, generator_models
from atelier_export.vae.network import VAE, VAEConfig

MODELS = Path(__file__).parents[3] / "model_repository"
CONFIG = GANConfig(classes=3, colors=2, side=8, latent=6, channels=(8, 6))
CLASSES = ("cubism", "fauvism", "rococo")


@pytest.fixture
def painter():
    torch.manual_seed(0)
    vae = VAE(VAEConfig(side=16, channels=(4, 6), blocks=(0, 1), latent_channels=2))
    return Painter(Generator(CONFIG), LatentDecoder(vae)).eval()


def test_images_are_rounded_to_the_nearest_level(painter):
    latent, movement = torch.randn(4, 6), torch.tensor([[0], [1], [2], [0]])
    levels = ServedGenerator(painter)(latent, movement)
    assert levels.dtype == torch.uint8
    assert levels.shape == (4, 16, 16, 3)
    image = painter(latent, movement[:, 0]).permute(0, 2, 3, 1)
    assert ((levels / 255 - image).abs() <= 0.5001 / 255).all()


def test_a_movement_out_of_range_is_the_nearest_one(painter):
    latent = torch.randn(1, 6).expand(4, -1)
    levels = ServedGenerator(painter)(latent, torch.tensor([[0], [-5], [2], [2**40]]))
    assert (levels[0] == levels[1]).all()
    assert (levels[2] == levels[3]).all()
    assert (levels[0] != levels[2]).any()


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_a_latent_that_is_no_number_gives_black_and_harms_no_other(painter, value):
    latent, movement = torch.randn(2, 6), torch.tensor([[0], [1]])
    expected = ServedGenerator(painter)(latent, movement)
    latent[0, 2] = value
    levels = ServedGenerator(painter)(latent, movement)
    assert (levels[0] == 0).all()
    assert (levels[1] == expected[1]).all()


def test_the_configuration_names_the_movements_and_the_shapes(painter):
    model, *_ = generator_models(GeneratorCheckpoint(painter, CLASSES, {}))
    assert model.name == "generator"
    assert '"cubism,fauvism,rococo"' in model.config
    assert model.graph.outputs["image"].shape == ("batch", 16, 16, 3)
    asked = {
        label for batch in model.graph.parity_batches() for label in batch["movement"].flatten()
    }
    assert {int(label) for label in asked} == {-1, 0, 1, 2, 3}


@pytest.fixture
def configs(painter):
    """The configurations of what is published, by the model's name."""
    texts = [each.config for each in generator_models(GeneratorCheckpoint(painter, CLASSES, {}))]
    parsed = [text_format.Parse(text, ModelConfig()) for text in texts]
    return {config.name: config for config in parsed}


def test_generate_takes_what_latents_does_and_calls_the_generator(configs):
    generate, latents, generator = (configs[name] for name in ("generate", "latents", "generator"))
    assert list(generate.input) == list(latents.input)
    assert all(tensor.optional for tensor in generate.input)
    assert generate.parameters["calls"].string_value == "generator"
    assert {tensor.name for tensor in generator.input} == {"latent", "movement"}


@pytest.mark.parametrize("name", ["latents", "generate"])
def test_what_the_others_know_of_the_generator_is_so(configs, name):
    parameters, generator = configs[name].parameters, configs["generator"]
    expected = {
        "movements": generator.parameters["movements"].string_value,
        "latent_length": "6",
        "max_count": str(generator.max_batch_size),
        "truncation": "1.0",
        "largest_truncation": "4.0",
    }
    assert {name: parameters[name].string_value for name in expected} == expected


def test_a_checkpoint_holds_both_networks_and_its_classes(painter, tmp_path):
    path = tmp_path / "generator.safetensors"
    save_generator_checkpoint(path, GeneratorCheckpoint(painter, CLASSES, {"steps": 3}))
    loaded = load_generator_checkpoint(path)
    assert loaded.classes == CLASSES
    assert loaded.training == {"steps": 3}
    latent, label = torch.randn(2, 6), torch.tensor([0, 2])
    torch.testing.assert_close(loaded.painter(latent, label), painter(latent, label))
    assert not any("encoder" in name for name in painter.state_dict())


def test_a_generator_of_digits_is_kept_but_not_served(tmp_path):
    path = tmp_path / "generator.safetensors"
    config = GANConfig(classes=3, colors=1, side=8, latent=6, channels=(8, 6))
    digits = Painter(Generator(config), PixelDecoder())
    save_generator_checkpoint(path, GeneratorCheckpoint(digits, CLASSES, {}))
    with pytest.raises(ValueError, match="a network of digits cannot be served"):
        generator_models(load_generator_checkpoint(path))


def test_a_checkpoint_of_something_else_is_refused(painter, tmp_path):
    from atelier_export.publishing.checkpoint import save_checkpoint

    path = tmp_path / "generator.safetensors"
    save_checkpoint(path, "atelier generator 1", {"x": torch.zeros(1)}, {"training": {}})
    with pytest.raises(ValueError, match="does not hold the network that it describes"):
        load_generator_checkpoint(path)
    save_checkpoint(path, "atelier vae 1", {"x": torch.zeros(1)}, {})
    with pytest.raises(ValueError, match="is 'atelier vae 1', not 'atelier generator 1'"):
        load_generator_checkpoint(path)
    with pytest.raises(ValueError, match="2 names for a generator of 3 classes"):
        GeneratorCheckpoint(painter, CLASSES[:2], {})
