import numpy as np
import pytest
import torch

from atelier_export.generator.network import GANConfig, Generator
from atelier_export.generator.painter import (
    LatentDecoder,
    Painter,
    PixelDecoder,
    draw_latents,
    interpolate_latents,
    paint,
)
from atelier_export.vae.network import VAE, VAEConfig

VAE_CONFIG = VAEConfig(side=16, channels=(4, 6), blocks=(0, 1), latent_channels=2)
CONFIG = GANConfig(classes=3, colors=2, side=8, latent=6, channels=(8, 6))


def test_maps_are_decoded_as_the_autoencoder_decodes_its_latents():
    torch.manual_seed(0)
    vae = VAE(VAE_CONFIG)
    maps = torch.randn(3, 2, 8, 8)
    expected = vae.likelihood.image(vae.decoder(maps.flatten(1)))
    torch.testing.assert_close(LatentDecoder(vae)(maps), expected)
    mean, scale = torch.tensor([1.0, -2]), torch.tensor([0.5, 3])
    standardised = (maps - mean[:, None, None]) / scale[:, None, None]
    torch.testing.assert_close(LatentDecoder(vae, mean, scale)(standardised), expected)


def test_pixels_are_black_at_minus_one_and_white_at_one():
    maps = torch.tensor([-3, -1, 0, 1, 2.0]).view(1, 1, 1, 5)
    assert PixelDecoder()(maps).flatten().tolist() == [0, 0, 0.5, 1, 1]


def test_many_images_are_those_of_each_latent():
    torch.manual_seed(0)
    painter = Painter(Generator(CONFIG), LatentDecoder(VAE(VAE_CONFIG)))
    latents, labels = torch.randn(5, 6), torch.tensor([0, 1, 2, 0, 1])
    images = paint(painter, latents, labels, batch=2)
    assert images.shape == (5, 3, 16, 16)
    torch.testing.assert_close(images, painter(latents, labels).detach())


def test_a_decoder_of_other_maps_is_refused():
    other = VAE(VAEConfig(side=16, channels=(4, 6), blocks=(0, 1), latent_channels=3))
    with pytest.raises(ValueError, match=r"maps of \(2, 8, 8\), the decoder takes \(3, 8, 8\)"):
        Painter(Generator(CONFIG), LatentDecoder(other))


def test_latents_are_normal_and_none_is_beyond_the_truncation():
    latents = draw_latents(np.random.default_rng(0), 400, 50)
    assert latents.dtype == np.float32
    assert latents.std() == pytest.approx(1, abs=0.02)
    short = draw_latents(np.random.default_rng(0), 400, 50, truncation=0.5)
    assert np.abs(short).max() <= 0.5
    assert short.std() == pytest.approx(0.5 / np.sqrt(3), abs=0.02)  # almost uniform
    kept = np.abs(latents) <= 0.5
    assert (short[kept] == latents[kept]).all()


@pytest.mark.parametrize("truncation", [0, -1, float("nan")])
def test_impossible_truncations_are_refused(truncation):
    with pytest.raises(ValueError, match="truncation must be a number above 0"):
        draw_latents(np.random.default_rng(0), 2, 3, truncation)


def test_a_walk_keeps_its_ends_and_its_distance_from_zero():
    ends = np.array([[3.0, 0.0], [0.0, 3.0]], np.float32)
    walk = interpolate_latents(ends[0], ends[1], 5)
    np.testing.assert_allclose(walk[[0, -1]], ends, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(walk, axis=1), 3, rtol=1e-6)
    np.testing.assert_allclose(walk[2], [3 / np.sqrt(2)] * 2, rtol=1e-6)


def test_a_walk_on_the_spot_stays_there():
    latent = np.array([1.0, 2.0], np.float32)
    np.testing.assert_allclose(interpolate_latents(latent, latent, 3), [latent] * 3, rtol=1e-6)
