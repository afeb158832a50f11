import numpy as np
import pytest
import torch

from atelier_export.vae.corruption import GREY, add_noise, corrupt, fill_holes, random_holes


def test_noise_has_its_deviation_and_leaves_levels():
    grey = torch.full((3, 200, 200), 0.5)
    noisy = add_noise(grey, 25, np.random.default_rng(0))
    assert (noisy - grey).std().item() * 255 == pytest.approx(25, rel=0.02)
    torch.testing.assert_close(noisy * 255, (noisy * 255).round())
    dark = add_noise(torch.zeros(3, 20, 20), 50, np.random.default_rng(0))
    assert dark.min() == 0


def test_no_noise_changes_nothing():
    image = torch.randint(0, 256, (3, 8, 8)) / 255
    torch.testing.assert_close(add_noise(image, 0, np.random.default_rng(0)), image)


def test_holes_are_a_part_of_the_image_of_every_shape():
    shares = []
    for seed in range(60):
        holes = random_holes(64, np.random.default_rng(seed))
        assert holes.shape == (1, 64, 64)
        assert holes.dtype == torch.bool
        assert holes.view(torch.uint8).max() == 1  # others read the bytes of a mask
        shares.append(holes.float().mean().item())
    assert min(shares) > 0
    assert max(shares) < 0.6
    assert 0.03 < np.mean(shares) < 0.3


def test_holes_are_grey_and_all_else_stays():
    image = torch.rand(3, 16, 16)
    holes = torch.zeros(1, 16, 16, dtype=torch.bool)
    holes[:, 4:8, 2:3] = True
    filled = fill_holes(image, holes)
    assert (filled[:, 4:8, 2] == GREY).all()
    torch.testing.assert_close(filled[:, :4], image[:, :4])
    torch.testing.assert_close(filled[:, :, 3:], image[:, :, 3:])


def test_a_share_of_the_images_is_corrupted_by_noise_or_holes():
    images = torch.full((40, 3, 32, 32), 200 / 255)
    corrupted = corrupt(images, np.random.default_rng(0), share=0.5, noise=50)
    changed = (corrupted != images).flatten(1).float().mean(dim=1)
    assert (changed[20:] == 0).all()
    assert (changed[:20] > 0).sum() >= 18  # the least noise is rounded away
    holed = ((corrupted == images) | (corrupted == GREY)).flatten(1).all(dim=1)[:20]
    assert 4 <= holed.sum() <= 16


def test_what_is_drawn_is_a_function_of_the_seed():
    images = torch.rand(6, 3, 32, 32)
    first, again, other = (
        corrupt(images, np.random.default_rng(seed), 1.0, 50) for seed in (0, 0, 1)
    )
    assert (first == again).all()
    assert (first != other).any()
