"""Photographs in folders."""

import pytest


@pytest.fixture
def photos(tmp_path, picture):
    """A folder of six images of different sizes, in folders."""
    folder = tmp_path / "in"
    names = ["a.jpg", "b.PNG", "c.webp", "sub/a.jpg", "sub/deep/d e.jpeg", "sub/ü.png"]
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        suffix = path.suffix.lower().lstrip(".").replace("jpg", "jpeg")
        path.write_bytes(picture(suffix, (20 + number, 16)))
    (folder / "notes.txt").write_text("no image")
    return folder


@pytest.fixture
def files_of():
    """The files below a folder with their content, without those of the run itself."""

    def files(folder):
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file() and "_atelier" not in path.parts
        }

    return files
