import os
from pathlib import Path

import pytest

from atelier_export.files.atomic_write import atomic_write


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fail_on_the_way(path: Path) -> None:
    path.write_text("new")
    raise KeyError


def test_what_was_written_takes_the_place_once_it_is_on_the_disk(tmp_path, monkeypatch):
    path = tmp_path / "image.png"
    path.write_text("old")
    synced = []
    monkeypatch.setattr(os, "fsync", lambda _: synced.append(path.read_text()))
    with atomic_write(path) as partial:
        assert partial.suffix == ".png"
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert synced == ["old"]
    assert names(tmp_path) == ["image.png"]


def test_an_error_leaves_what_was_there_and_nothing_beside_it(tmp_path):
    path = tmp_path / "image.png"
    path.write_text("old")
    with pytest.raises(KeyError), atomic_write(path) as partial:
        fail_on_the_way(partial)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["image.png"]
