import pytest
import torch

from atelier_export.style.temporal_stability import NOISE, Move, stability_distance, with_noise


def test_what_moves_with_the_image_is_stable():
    image = torch.rand(2, 3, 40, 44)
    move = Move(down=3, right=1)
    first, moved = move.views(image, 32)
    assert first.shape == moved.shape == (2, 3, 32, 32)
    assert torch.equal(stability_distance(first, moved, move), torch.zeros(2))


def test_what_stands_still_while_the_image_moves_is_not_stable():
    grid = ((torch.arange(32)[:, None] + torch.arange(32)) % 2).float().expand(1, 3, 32, 32)
    assert stability_distance(grid, grid, Move(down=1, right=0)).item() == 1
    assert stability_distance(grid, grid, Move(down=1, right=1)).item() == 0


def test_noise_is_even_small_and_stays_in_range():
    image = torch.full((1, 3, 64, 64), 0.5)
    noise = with_noise(image, torch.Generator().manual_seed(1)) - image
    assert noise.abs().max() <= NOISE / 255 + 1e-6
    assert noise.std().item() == pytest.approx(NOISE / 255 / 3**0.5, rel=0.05)
    white = with_noise(torch.ones(1, 3, 8, 8), torch.Generator().manual_seed(1))
    assert white.max() == 1
