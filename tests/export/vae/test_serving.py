import pytest
import torch

from atelier_export.vae.checkpoint import VAECheckpoint
from atelier_export.vae.digits import DIGITS_NETWORK
from atelier_export.vae.network import VAE, VAEConfig
from atelier_export.vae.serving import ServedDecoder, ServedEncoder, vae_models


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    config = VAEConfig(side=16, channels=(4, 6), blocks=(0, 1), latent_channels=2)
    return VAE(config).eval()


def test_pixels_are_scaled_as_for_the_training(network):
    image = torch.randint(0, 256, (2, 16, 16, 3), dtype=torch.uint8)
    mean, log_variance = ServedEncoder(network.encoder)(image)
    expected = network.encoder(image.permute(0, 3, 1, 2) / 255)
    torch.testing.assert_close((mean, log_variance), expected)


def test_images_are_rounded_to_the_nearest_level_and_cut_off(network):
    latent = 3 * torch.randn(4, network.config.latent)
    network.decoder.head.bias.data[0] = 2  # a colour beyond white
    levels = ServedDecoder(network)(latent)
    assert levels.dtype == torch.uint8
    assert levels.shape == (4, 16, 16, 3)
    image = (network.decoder(latent) + 0.5).clamp(0, 1).permute(0, 2, 3, 1)
    assert ((levels / 255 - image).abs() <= 0.5001 / 255).all()
    assert (levels[..., 0] == 255).any()


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_a_latent_that_is_no_number_gives_black_and_harms_no_other(network, value):
    latent = torch.randn(2, network.config.latent)
    expected = ServedDecoder(network)(latent)
    latent[0] = value
    levels = ServedDecoder(network)(latent)
    assert (levels[0] == 0).all()
    assert (levels[1] == expected[1]).all()


def test_one_checkpoint_gives_two_models_that_fit_each_other(network):
    encoder, decoder = vae_models(VAECheckpoint(network, {}))
    assert (encoder.name, decoder.name) == ("vae_encoder", "vae_decoder")
    for latent in ("mean", "log_variance"):
        assert encoder.graph.outputs[latent].shape == ("batch", network.config.latent)
    assert decoder.graph.outputs["image"].shape == ("batch", 16, 16, 3)
    assert encoder.provenance["scale"] == pytest.approx(64)
    assert '"2,8,8"' in decoder.config


def test_a_network_of_digits_is_not_served():
    with pytest.raises(ValueError, match="a network of digits cannot be served"):
        vae_models(VAECheckpoint(VAE(DIGITS_NETWORK), {}))
