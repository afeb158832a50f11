"""What a repository holds, and whether it has changed."""

import os
import re

import pytest

from atelier_serving import StartError
from atelier_serving.repositories import check, contents


@pytest.fixture
def repository(tmp_path):
    for version in ("1", "2"):
        (tmp_path / "model" / version).mkdir(parents=True)
        (tmp_path / "model" / version / "model.py").write_text("1")
    (tmp_path / "model" / "config.pbtxt").write_text("")
    (tmp_path / "README").touch()
    return tmp_path


def test_every_file_and_folder_of_a_model_is_noted(repository):
    (repository / "model" / "1" / "nowhere").symlink_to("nothing")
    found = contents([str(repository)])
    assert found.keys() == {"model"}
    assert found["model"].keys() == {
        ".",
        "1",
        "1/model.py",
        "2",
        "2/model.py",
        "config.pbtxt",
    }
    status = (repository / "model" / "1" / "model.py").stat()
    assert found["model"]["1/model.py"] == (status.st_mtime_ns, 1)


def test_an_address_hides_what_changes(repository):
    assert contents([str(repository), "s3://bucket/models"]) is None


@pytest.mark.parametrize("what", ["time", "size", "name", "config"])
def test_a_change_shows(repository, what):
    before = contents([str(repository)])
    file = repository / "model" / "2" / "model.py"
    times = (file.stat().st_atime_ns, file.stat().st_mtime_ns)
    if what == "time":
        os.utime(file, (0, 0))
    elif what == "size":
        file.write_text("12")
        os.utime(file, ns=times)
    elif what == "name":
        file.rename(file.with_name("other.py"))
    else:
        (repository / "model" / "config.pbtxt").write_text("#")
    assert contents([str(repository)]) != before


@pytest.mark.parametrize("look", [check, contents])
def test_a_repository_that_cannot_be_looked_into_is_told_with_its_path(tmp_path, look):
    missing, loop = tmp_path / "missing", tmp_path / "loop"
    loop.symlink_to(loop)
    for path, why in ((missing, "No such file or directory"), (loop, "Too many levels")):
        told = re.escape(f"cannot look into the model repository {str(path)!r}: {why}")
        with pytest.raises(StartError, match=told):
            look([str(path)])
