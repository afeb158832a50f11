import logging
import shutil
import tarfile

import pytest

from atelier_export.data.images import find_paintings
from atelier_export.data.paintings import read_paintings
from atelier_export.data.readable import readable_images

BROKEN = {"._0.png", "album/empty.jpg", "text.webp", "truncated.png"}


@pytest.fixture
def damaged(photographs, tmp_path):
    """Eight whole images, and what lies among the images of a camera or a Mac."""
    folder = shutil.copytree(photographs, tmp_path / "damaged")
    (folder / "album").mkdir()
    (folder / "._0.png").write_bytes(b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        ")
    (folder / "album/empty.jpg").write_bytes(b"")
    (folder / "text.webp").write_text("not an image")
    (folder / "truncated.png").write_bytes((photographs / "0.png").read_bytes()[:-40])
    return folder


@pytest.mark.parametrize("archived", [False, True])
def test_what_cannot_be_decoded_is_named_left_out_and_counted(damaged, tmp_path, caplog, archived):
    source = damaged
    if archived:
        source = tmp_path / "damaged.tar"
        with tarfile.open(source, "w") as archive:
            archive.add(damaged, "")
    with caplog.at_level(logging.WARNING):
        images = readable_images(source)
    assert [image.name for image in images] == [f"{number}.png" for number in range(8)]
    *named, count = caplog.messages
    assert all(any(name in line for line in named) for name in BROKEN)
    assert len(named) == len(BROKEN)
    assert count == f"4 of 12 images of {source} cannot be read and are left out"


def test_nothing_is_said_of_whole_images(photographs, caplog):
    assert len(readable_images(photographs, strict=True)) == 8
    assert not caplog.messages


def test_strict_refuses_them(damaged):
    words = r"4 of 12 images of .*damaged cannot be read; repair .*--strict. The first: .*\._0\.png"
    with pytest.raises(ValueError, match=words):
        readable_images(damaged, strict=True)


def test_a_folder_without_one_whole_image(tmp_path):
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(ValueError, match=r"1 of 1 images of .* cannot be read.*empty\.jpg"):
        readable_images(tmp_path)


def test_paintings_that_cannot_be_decoded_are_left_out(movements, tmp_path):
    folder = shutil.copytree(movements, tmp_path / "movements")
    whole = read_paintings(folder, 32)
    (folder / "cubism/._gris_view.png").write_bytes(b"\x00\x05\x16\x07")
    assert read_paintings(folder, 32).fingerprint == whole.fingerprint
    with pytest.raises(ValueError, match="cannot be read"):
        read_paintings(folder, 32, strict=True)


def test_notes_of_macos_name_no_style(paintings, tmp_path):
    for file in paintings:
        shutil.copy(file, tmp_path)
        (tmp_path / f"._{file.name}").write_bytes(b"\x00\x05\x16\x07")
    assert list(find_paintings(tmp_path)) == ["blue", "red"]
