import numpy as np
import pytest
import torch

from atelier_export.generator.maps import LatentMaps, PixelMaps, encode_paintings
from atelier_export.vae.network import VAE, VAEConfig


@pytest.fixture
def vae():
    torch.manual_seed(0)
    return VAE(VAEConfig(side=16, channels=(4, 6), blocks=(0, 1), latent_channels=2))


def test_paintings_and_their_mirror_images_are_encoded(vae):
    images = torch.randint(0, 256, (5, 3, 16, 16), dtype=torch.uint8)
    maps = encode_paintings(vae, images, flip=0.5, batch=2)
    assert len(maps) == 5
    assert maps.mean.shape == maps.log_variance.shape == (5, 2, 2, 8, 8)
    for mirrored, image in enumerate((images / 255, images.flip(3) / 255)):
        mean, log_variance = vae.encoder(image)
        for found, expected in ((maps.mean, mean), (maps.log_variance, log_variance)):
            torch.testing.assert_close(
                found[:, mirrored].flatten(1), expected.detach(), atol=0.02, rtol=0.02
            )


def test_standardised_maps_have_unit_variance_in_each_channel():
    random = torch.Generator().manual_seed(0)
    mean = (
        torch.randn(200, 2, 2, 4, 4, generator=random) * torch.tensor([0.3, 2])[:, None, None] + 5
    )
    maps = LatentMaps(mean, torch.full_like(mean, 2 * np.log(0.4)), flip=0.5)
    deviations = torch.tensor([0.5, (4 + 0.16) ** 0.5])
    torch.testing.assert_close(maps.moments()[0], torch.full((2,), 5.0), atol=0.1, rtol=0)
    torch.testing.assert_close(maps.moments()[1], deviations, atol=0.03, rtol=0)
    drawn = maps.standardised().draw(torch.arange(200), np.random.default_rng(0))
    moments = drawn.mean(dim=(0, 2, 3)), drawn.std(dim=(0, 2, 3))
    torch.testing.assert_close(moments, (torch.zeros(2), torch.ones(2)), atol=0.05, rtol=0)


def test_each_draw_is_another_sample_of_the_posterior():
    mean = torch.stack([torch.full((1, 4, 4), 1.0), torch.full((1, 4, 4), -1.0)])
    maps = LatentMaps(mean[None], torch.full((1, 2, 1, 4, 4), 2 * np.log(0.1)), flip=0.25)
    drawn = maps.draw(torch.zeros(2000).long(), np.random.default_rng(0))  # (2000, 1, 4, 4)
    assert drawn.dtype == torch.float32
    mirrored = drawn.mean(dim=(1, 2, 3)) < 0
    assert mirrored.float().mean().item() == pytest.approx(0.25, abs=0.03)
    assert (drawn[~mirrored] - 1).std().item() == pytest.approx(0.1, rel=0.03)
    assert (drawn[mirrored] + 1).std().item() == pytest.approx(0.1, rel=0.06)


def test_what_is_drawn_is_a_function_of_the_seed():
    maps = LatentMaps(torch.zeros(3, 2, 1, 4, 4), torch.zeros(3, 2, 1, 4, 4), flip=0.5)
    places = torch.tensor([2, 0])
    first, again, other = (maps.draw(places, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()


def test_pixels_are_black_at_minus_one_and_white_at_one():
    maps = PixelMaps(torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1))
    assert len(maps) == 2
    drawn = maps.draw(torch.tensor([1, 0]), np.random.default_rng(0))
    assert drawn.flatten().tolist() == [1, -1]


def test_pixels_are_mirrored_as_often_as_asked():
    images = torch.arange(2, dtype=torch.uint8).view(1, 1, 1, 2) * 255
    maps = PixelMaps(images.expand(400, -1, -1, -1), flip=0.25)
    drawn = maps.draw(torch.arange(400), np.random.default_rng(0))  # (400, 1, 1, 2)
    assert (drawn.sum(dim=3) == 0).all()
    assert (drawn[..., 0] == 1).float().mean() == pytest.approx(0.25, abs=0.06)
