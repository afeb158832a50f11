import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

from atelier_export.pictures import (
    RandomCrops,
    center_crop,
    find_pictures,
    resize_short_side,
    to_image,
    to_tensor,
)


def test_a_folder_and_a_tar_of_it_hold_the_same_pictures(photographs, tmp_path):
    (tmp_path / "notes.txt").write_text("not a picture")
    with tarfile.open(tmp_path / "photographs.tar", "w") as archive:
        for path in photographs.iterdir():
            archive.add(path, path.name)
        archive.add(tmp_path / "notes.txt", "notes.txt")
    from_folder = find_pictures(photographs)
    from_tar = find_pictures(tmp_path / "photographs.tar")
    assert [picture.name for picture in from_tar] == [picture.name for picture in from_folder]
    for one, other in zip(from_folder, from_tar, strict=True):
        np.testing.assert_array_equal(np.array(one.read()), np.array(other.read()))


def test_folders_are_searched_through_and_ordered_by_name(tmp_path):
    (tmp_path / "b").mkdir()
    for name in ("b/1.jpg", "a.PNG"):
        Image.new("RGB", (20, 20)).save(tmp_path / name)
    assert [picture.name for picture in find_pictures(tmp_path)] == ["a.PNG", "b/1.jpg"]


def test_sources_without_pictures_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        find_pictures(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="holds no picture"):
        find_pictures(tmp_path)
    (tmp_path / "text").write_text("text")
    with pytest.raises(ValueError, match="neither a folder nor an uncompressed tar"):
        find_pictures(tmp_path / "text")


def test_a_broken_picture_is_named(tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"not a picture")
    with pytest.raises(OSError, match=r"broken\.jpg cannot be decoded"):
        find_pictures(tmp_path)[0].read()


def test_crops_depend_on_seed_and_index_alone(photographs):
    pictures = find_pictures(photographs)
    crops = RandomCrops(pictures, 32, 100, seed=5)
    again = RandomCrops(pictures, 32, 100, seed=5)
    other = RandomCrops(pictures, 32, 100, seed=6)
    assert len(crops) == 100
    assert torch.equal(crops[17], again[17])
    assert not torch.equal(crops[17], other[17])
    assert not torch.equal(crops[17], crops[17 + len(pictures)])
    assert crops[17].shape == (3, 32, 32)
    with pytest.raises(IndexError):
        crops[100]


def test_every_photograph_comes_once_in_each_pass(tmp_path):
    for level in range(0, 250, 50):
        Image.new("RGB", (40, 40), (level, level, level)).save(tmp_path / f"{level}.png")
    crops = RandomCrops(find_pictures(tmp_path), 32, 10, seed=0)
    for first in (0, 5):
        levels = {round(crops[index].mean().item() * 255) for index in range(first, first + 5)}
        assert levels == {0, 50, 100, 150, 200}


@pytest.mark.parametrize("size", [(100, 50), (50, 100), (33, 47), (16, 300)])
def test_resizing_keeps_the_aspect_ratio_and_cropping_makes_a_square(size):
    image = Image.new("RGB", size)
    resized = resize_short_side(image, 32)
    assert min(resized.size) == 32
    assert max(resized.size) == round(max(size) * 32 / min(size))
    assert center_crop(image, 32).size == (32, 32)


def test_tensors_and_pictures_convert_exactly():
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8))
    tensor = to_tensor(image)
    assert tensor.shape == (3, 5, 7)
    assert 0 <= tensor.min() <= tensor.max() <= 1
    np.testing.assert_array_equal(np.array(to_image(tensor)), np.array(image))
