import numpy as np
import pytest
import torch

from atelier_export.classifier.augmentation import (
    Windows,
    crop,
    jitter_colors,
    mixup,
    random_windows,
)


@pytest.fixture
def images():
    return torch.rand(3, 3, 12, 12, generator=torch.Generator().manual_seed(0))


def _whole(count):
    return Windows(torch.zeros(count, 2), torch.ones(count, 2))


def test_the_whole_window_is_the_image(images):
    unmirrored = torch.zeros(3, dtype=torch.bool)
    torch.testing.assert_close(crop(images, _whole(3), unmirrored, 12), images)


def test_mirrored_crops_are_flipped_from_left_to_right(images):
    mirrored = torch.tensor([True, False, True])
    crops = crop(images, _whole(3), mirrored, 12)
    torch.testing.assert_close(crops[0], images[0].flip(2))
    torch.testing.assert_close(crops[1], images[1])


def test_a_window_is_where_it_says(images):
    windows = Windows(torch.tensor([[0.25, 0.5]]), torch.tensor([[0.5, 0.25]]))
    crops = crop(images[:1], windows, torch.tensor([False]), 6)
    # Six columns from the fourth on at the size of the image, and three rows from the seventh on.
    assert crops.shape == (1, 3, 6, 6)
    expected = images[:1, :, 6:9, 3:9]
    rows = torch.nn.functional.interpolate(expected, (6, 6), mode="bilinear")
    torch.testing.assert_close(crops[:, :, 1:-1], rows[:, :, 1:-1])


def test_windows_lie_in_the_image_and_are_large_enough():
    windows = random_windows(np.random.default_rng(0), 500, 0.6)
    assert windows.size.min() >= 0.6
    assert windows.start.min() >= 0
    assert (windows.start + windows.size).max() <= 1 + 1e-6
    assert windows.size.max() > 0.95


def test_no_jitter_leaves_the_colors(images):
    torch.testing.assert_close(jitter_colors(images, np.random.default_rng(0), 0), images)


def test_jitter_changes_images_each_on_its_own_and_stays_in_range(images):
    same = images[:1].expand(3, -1, -1, -1)
    jittered = jitter_colors(same, np.random.default_rng(0), 0.3)
    assert jittered.amin() >= 0
    assert jittered.amax() <= 1
    assert (jittered[0] - jittered[1]).abs().max() > 0.01


def test_mixup_mixes_images_and_targets_in_the_same_shares():
    images = torch.arange(4.0).view(4, 1, 1, 1).expand(-1, 3, 2, 2)
    targets = torch.arange(4.0)[:, None].expand(-1, 5)
    mixed, mixed_targets = mixup(images, targets, np.random.default_rng(0), 0.4)
    torch.testing.assert_close(mixed[:, 0, 0, 0], mixed_targets[:, 0])
    # The image itself is the larger part, the one before it the other.
    distance = (mixed[1:, 0, 0, 0] - torch.arange(1.0, 4)).abs()
    assert distance.max() <= 0.5
    assert distance.max() > 0
