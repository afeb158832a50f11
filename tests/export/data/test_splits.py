import pytest

from atelier_export.data.images import find_images
from atelier_export.data.splits import split


def test_the_split_is_disjoint_complete_and_by_name(photographs):
    images = find_images(photographs)
    training, held_out = split(images, 4)
    assert [image.name for image in held_out] == ["3.png", "7.png"]
    assert sorted([*training, *held_out], key=lambda image: image.name) == images
    with pytest.raises(ValueError, match="8 images cannot be split"):
        split(images, 9)
