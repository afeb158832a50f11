import numpy as np
import torch

from atelier_export.generator.augmentation import augment, cut_out, translate


def test_maps_are_moved_and_zeros_follow():
    maps = torch.arange(2 * 9.0).view(2, 1, 3, 3) + 1
    moved = translate(maps, torch.tensor([[1, 0], [0, -2]]))
    assert moved[0, 0].tolist() == [[0, 0, 0], [1, 2, 3], [4, 5, 6]]
    assert moved[1, 0].tolist() == [[12, 0, 0], [15, 0, 0], [18, 0, 0]]


def test_a_way_beyond_the_side_leaves_nothing():
    moved = translate(torch.ones(1, 2, 4, 4), torch.tensor([[4, 0]]))
    assert (moved == 0).all()


def test_a_square_is_blanked_even_across_the_border():
    cut = cut_out(torch.ones(2, 1, 4, 4), torch.tensor([[1, 2], [-1, -1]]), 2)
    assert cut[0, 0].tolist() == [[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 1, 1]]
    assert cut[1, 0].tolist() == [[0, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]]


def test_gradients_pass_to_what_is_left():
    maps = torch.randn(8, 2, 8, 8, requires_grad=True)
    seen = augment(maps, np.random.default_rng(0), translation=0.25, cutout=0.5)
    seen.sum().backward()
    assert set(maps.grad.unique().tolist()) == {0, 1}
    assert maps.grad.sum() == (seen != 0).sum()


def test_nothing_is_changed_without_augmentation():
    maps = torch.randn(3, 2, 8, 8)
    assert augment(maps, np.random.default_rng(0), translation=0, cutout=0) is maps


def test_each_map_is_moved_on_its_own_and_by_a_function_of_the_seed():
    maps = torch.ones(40, 1, 8, 8)
    first, again, other = (
        augment(maps, np.random.default_rng(seed), 0.25, 0.25) for seed in (0, 0, 1)
    )
    assert (first == again).all()
    assert (first != other).any()
    assert len({tuple(each.flatten().tolist()) for each in first}) > 20
