from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image

from atelier_export.data.painting_splits import (
    artist_of,
    split_by_artist,
    split_by_work,
    work_of,
)
from atelier_export.data.paintings import ERAS, MOVEMENTS, read_paintings


def test_each_movement_belongs_to_one_era():
    assert sorted(movement for its in ERAS.values() for movement in its) == sorted(MOVEMENTS)


@pytest.mark.parametrize(
    ("title", "work"),
    [
        ("water-lilies", "water-lilies"),
        ("water-lilies-1915", "water-lilies"),
        ("water-lilies-1915-1-", "water-lilies"),
        ("manga-11", "manga"),
        ("187", "187"),
    ],
)
def test_numbers_at_the_end_of_a_title_do_not_make_another_work(title, work):
    name = f"impressionism/claude-monet_{title}.webp"
    assert work_of(name) == f"claude-monet_{work}"
    assert artist_of(name) == "claude-monet"


def _images(count):
    return torch.from_numpy(
        np.random.default_rng(0).integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
    )


def test_images_of_one_work_are_in_one_part():
    names = tuple(f"cubism/gris_view-{n}-{m}.png" for n in range(40) for m in (1, 2))
    names = tuple(name.replace("view-", "view") for name in names)  # 40 titles, twice each
    parts = split_by_work(names, _images(80))
    assert parts[::2] == parts[1::2]
    counts = Counter(parts)
    assert counts["training"] > counts["test"] > 0
    assert counts["validation"] > 0


def test_images_that_look_alike_are_in_one_part():
    names = tuple(f"cubism/gris_title{chr(97 + n)}.png" for n in range(20))
    images = _images(20)
    images[10:] = (images[:10].float() * 0.9 + 10).to(torch.uint8)
    parts = split_by_work(names, images)
    assert parts[:10] == parts[10:]
    assert len(set(parts)) > 1


def test_other_images_do_not_change_the_part_of_a_work():
    names = tuple(f"cubism/gris_title{chr(97 + n)}.png" for n in range(20))
    assert split_by_work(names, _images(20))[:7] == split_by_work(names[:7], _images(20)[:7])


def test_an_artist_is_in_one_part_and_the_only_one_of_a_movement_is_trained_on():
    names = [f"cubism/artist{n}_{m}.png" for n in range(20) for m in range(3)]
    names += ["rococo/artist3_1.png"] + [f"abstract/alone_{n}.png" for n in range(5)]
    parts = split_by_artist(tuple(names))
    part_of = {}
    for name, part in zip(names, parts, strict=True):
        assert part_of.setdefault(artist_of(name), part) == part
    counts = Counter(parts[:60])
    assert counts["test"] == counts["validation"] == 9
    assert set(parts[-5:]) == {"training"}


def test_paintings_are_squashed_to_squares(tmp_path):
    folder = tmp_path / "cubism"
    folder.mkdir()
    Image.new("RGB", (40, 20), (200, 100, 50)).save(folder / "gris_one.png")
    Image.new("RGB", (16, 16), (0, 10, 20)).save(folder / "gris_two.png")
    paintings = read_paintings(tmp_path, side=16)
    assert paintings.images.shape == (2, 3, 16, 16)
    assert paintings.images[0, :, 7, 7].tolist() == [200, 100, 50]
    assert paintings.labels.tolist() == [MOVEMENTS.index("cubism")] * 2
    assert sum(len(paintings.indices(part)) for part in ("training", "validation", "test")) == 2


def test_a_painting_of_no_movement_is_refused(tmp_path):
    Image.new("RGB", (16, 16)).save(tmp_path / "gris_one.png")
    with pytest.raises(ValueError, match="no folder named after a movement"):
        read_paintings(tmp_path)
