import io
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

from atelier_export.data.crops import RandomCrops
from atelier_export.data.images import (
    center_crop,
    find_images,
    find_paintings,
    read_upright,
    resize_short_side,
    to_image,
    to_tensor,
)


def test_a_folder_and_a_tar_of_it_hold_the_same_images(photographs, tmp_path):
    (tmp_path / "notes.txt").write_text("not an image")
    with tarfile.open(tmp_path / "photographs.tar", "w") as archive:
        for path in photographs.iterdir():
            archive.add(path, path.name)
        archive.add(tmp_path / "notes.txt", "notes.txt")
    from_folder = find_images(photographs)
    from_tar = find_images(tmp_path / "photographs.tar")
    assert [image.name for image in from_tar] == [image.name for image in from_folder]
    for one, other in zip(from_folder, from_tar, strict=True):
        np.testing.assert_array_equal(np.array(one.read()), np.array(other.read()))


def test_folders_are_searched_through_and_ordered_by_name(tmp_path):
    (tmp_path / "b").mkdir()
    for name in ("b/1.jpg", "a.PNG"):
        Image.new("RGB", (20, 20)).save(tmp_path / name)
    assert [image.name for image in find_images(tmp_path)] == ["a.PNG", "b/1.jpg"]


def test_sources_without_pictures_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        find_images(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="holds no image"):
        find_images(tmp_path)
    (tmp_path / "text").write_text("text")
    with pytest.raises(ValueError, match="neither a folder nor an uncompressed tar"):
        find_images(tmp_path / "text")


READERS = [read_upright, lambda file: find_images(file.parent)[0].read()]


@pytest.mark.parametrize("read", READERS)
def test_pictures_are_turned_upright_and_laid_over_white(tmp_path, read):
    image = Image.new("RGBA", (30, 20), (255, 0, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    image.save(tmp_path / "turned.png", exif=exif)
    upright = read(tmp_path / "turned.png")
    assert upright.size == (20, 30)
    assert upright.getcolors() == [(600, (255, 255, 255))]


@pytest.mark.parametrize("read", READERS)
def test_a_broken_picture_is_named(tmp_path, read):
    whole = io.BytesIO()
    Image.new("RGB", (300, 200)).save(whole, "PNG")
    without_header = whole.getvalue()[:8] + whole.getvalue()[33:]
    for content in (b"not an image", whole.getvalue()[:-30], without_header):
        (tmp_path / "broken.png").write_bytes(content)
        with pytest.raises(OSError, match=r"broken\.png cannot be read as an image"):
            read(tmp_path / "broken.png")


@pytest.mark.parametrize("read", READERS)
def test_a_picture_beyond_measure_is_refused(tmp_path, monkeypatch, read):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    Image.new("RGB", (20, 20)).save(tmp_path / "large.png")
    with pytest.raises(ValueError, match=r"large\.png is too large"):
        read(tmp_path / "large.png")


def test_paintings_are_found_by_name_in_the_order_asked_for(paintings):
    folder = paintings[0].parent
    assert list(find_paintings(folder).items()) == [
        ("blue", folder / "blue.png"),
        ("red", folder / "red.png"),
    ]
    assert list(find_paintings(folder, ["red", "blue", "red"])) == ["red", "blue"]
    assert find_paintings(folder, ["red"]) == {"red": folder / "red.png"}
    with pytest.raises(ValueError, match="has no green, gray; it has blue, red"):
        find_paintings(folder, ["red", "green", "gray"])


def test_two_paintings_of_one_name_are_refused(tmp_path):
    for name in ("red.jpg", "red.png"):
        Image.new("RGB", (20, 20)).save(tmp_path / name)
    with pytest.raises(ValueError, match=r"red\.jpg and .*red\.png are both called red"):
        find_paintings(tmp_path)


def test_crops_depend_on_seed_and_index_alone(photographs):
    images = find_images(photographs)
    crops = RandomCrops(images, 32, 100, seed=5)
    again = RandomCrops(images, 32, 100, seed=5)
    other = RandomCrops(images, 32, 100, seed=6)
    assert len(crops) == 100
    assert torch.equal(crops[17], again[17])
    assert not torch.equal(crops[17], other[17])
    assert not torch.equal(crops[17], crops[17 + len(images)])
    assert crops[17].shape == (3, 32, 32)
    with pytest.raises(IndexError):
        crops[100]


def test_every_photograph_comes_once_in_each_pass(tmp_path):
    for level in range(0, 250, 50):
        Image.new("RGB", (40, 40), (level, level, level)).save(tmp_path / f"{level}.png")
    crops = RandomCrops(find_images(tmp_path), 32, 10, seed=0)
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
