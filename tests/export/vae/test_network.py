import pytest
import torch

from atelier_export.vae.network import LOG_VARIANCE_RANGE, VAE, Block, Decoder, Encoder, VAEConfig

CONFIG = VAEConfig(side=32, channels=(4, 6, 8), blocks=(0, 1, 1), latent_channels=2)


def test_a_latent_is_a_map_that_the_config_decides():
    assert VAEConfig().latent_shape == (4, 16, 16)
    assert VAEConfig().latent == 1024
    assert CONFIG.latent_shape == (2, 8, 8)
    assert CONFIG.dimensions == 3 * 32 * 32


def test_images_become_latents_and_latents_images():
    mean, log_variance = Encoder(CONFIG)(torch.rand(3, 3, 32, 32))
    assert mean.shape == log_variance.shape == (3, CONFIG.latent)
    assert Decoder(CONFIG)(mean).shape == (3, 3, 32, 32)


def test_each_stage_of_the_encoder_halves_the_resolution():
    encoder = Encoder(CONFIG)
    x = encoder.stem(torch.rand(1, 3, 32, 32))
    shapes = []
    for stage in encoder.stages:
        x = stage(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes == [(4, 32, 32), (6, 16, 16), (8, 8, 8)]


def test_the_latent_is_where_it_is_in_the_image():
    # A change at the right of the image changes the right of the map alone.
    encoder = Encoder(VAEConfig(side=64, channels=(4, 4), blocks=(0, 0), latent_channels=2))
    image = torch.rand(1, 3, 64, 64)
    other = image.clone()
    other[:, :, :, 40:] = 0
    change = (encoder(image)[0] - encoder(other)[0]).view(2, 32, 32).abs().amax(dim=(0, 1))
    assert (change[:18] == 0).all()
    assert (change[22:] > 0).all()


def test_a_block_begins_as_the_identity():
    x = torch.rand(2, 4, 6, 6)
    torch.testing.assert_close(Block(4)(x), x)


def test_a_flat_latent_gives_no_checkerboard():
    torch.manual_seed(0)
    config = VAEConfig(side=64, channels=(4, 6, 8), blocks=(0, 0, 0), latent_channels=2)
    flat = torch.ones(1, config.latent)
    location = Decoder(config)(flat)[:, :, 16:-16, 16:-16]  # out of reach of the border
    assert location.std(dim=(2, 3)).max() < 1e-5


def test_no_image_makes_a_variance_that_overflows():
    encoder = Encoder(CONFIG)
    torch.nn.init.constant_(encoder.head.bias, 1e6)
    _, log_variance = encoder(torch.rand(1, 3, 32, 32))
    assert (log_variance == LOG_VARIANCE_RANGE[1]).all()


def test_images_are_rebuilt_from_the_means_and_stay_in_range():
    torch.manual_seed(0)
    network = VAE(CONFIG)
    image = torch.rand(2, 3, 32, 32)
    rebuilt = network(image)
    location = network.decoder(network.encoder(image)[0])
    torch.testing.assert_close(rebuilt, (location + 0.5).clamp(0, 1))
    assert rebuilt.min() >= 0


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"channels": (4, 0, 4, 4)}, "from 1 up"),
        ({"channels": ()}, "from 1 up"),
        ({"latent_channels": 0}, "latent_channels"),
        ({"blocks": (1,)}, "4 numbers"),
        ({"side": 60}, "side must be a multiple of 8, not 60"),
        ({"likelihood": "cauchy"}, "likelihood must be laplace or bernoulli, not 'cauchy'"),
    ],
)
def test_impossible_shapes_are_refused(shape, message):
    with pytest.raises(ValueError, match=message):
        VAEConfig(**shape)
