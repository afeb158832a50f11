import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from atelier_export.publishing import repository as repository_module
from atelier_export.publishing.errors import PublishError
from atelier_export.publishing.manifest import Manifest, fingerprints
from atelier_export.publishing.repository import (
    ModelFolder,
    Publication,
    RepositoryWriter,
    versions,
)

FILES = {"model.onnx": b"weights", "labels.txt": b"one\ntwo\n"}
MANIFEST = Manifest({"model": "style", "styles": ["red"]}, {"seconds": 1})


def publish_style(
    repository: Path,
    config: str = "# one",
    files: dict[str, bytes] = FILES,
    manifest: Manifest = MANIFEST,
    version: int | None = None,
) -> Publication:
    with RepositoryWriter(repository) as writer:
        model = ModelFolder("style", {"config.pbtxt": config.encode()}, files, manifest)
        return writer.publish([model], version)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return tmp_path / "somewhere" / "repository"


def test_the_first_version_makes_the_repository(repository):
    publication = publish_style(repository)
    assert publication == Publication((repository / "style" / "1",), 1, is_new=True)
    assert contents(repository) == {
        "style/config.pbtxt": b"# one",
        "style/1/model.onnx": b"weights",
        "style/1/labels.txt": b"one\ntwo\n",
        "style/1/manifest.json": MANIFEST.to_json(),
    }
    assert [path.name for path in repository.parent.iterdir()] == ["repository"]


def test_a_new_version_leaves_all_else_as_it_was(repository):
    publish_style(repository)
    (repository / "style" / "notes.txt").write_text("by hand")
    (repository / "other" / "1").mkdir(parents=True)
    (repository / "other" / "1" / "model.py").write_text("…")
    before = contents(repository)
    publication = publish_style(repository, "# two", {"model.onnx": b"more"})
    assert (publication.version, publication.is_new) == (2, True)
    assert contents(repository) == before | {
        "style/config.pbtxt": b"# two",
        "style/2/model.onnx": b"more",
        "style/2/manifest.json": MANIFEST.to_json(),
    }
    assert [path.name for path in repository.parent.iterdir()] == ["repository"]


def test_the_same_again_changes_nothing(repository):
    publish_style(repository)
    before = contents(repository)
    measured_again = Manifest(MANIFEST.provenance, {"seconds": 2})
    publication = publish_style(repository, manifest=measured_again)
    assert publication == Publication((repository / "style" / "1",), 1, is_new=False)
    assert publish_style(repository, version=1).is_new is False
    assert contents(repository) == before


@pytest.mark.parametrize(
    "change",
    [
        {"config": "# two"},
        {"files": FILES | {"model.onnx": b"Weights"}},
        {"manifest": Manifest({"model": "style", "styles": ["blue"]}, {})},
    ],
)
def test_any_other_is_a_new_version(repository, change):
    publish_style(repository)
    assert publish_style(repository, **change).version == 2


def test_a_damaged_version_is_not_the_same(repository):
    publish_style(repository)
    (repository / "style" / "1" / "manifest.json").write_text("[]")
    assert publish_style(repository).version == 2


def test_an_older_version_is_published_anew_since_the_newest_is_served(repository):
    publish_style(repository)
    publish_style(repository, "# two")
    assert publish_style(repository).version == 3


def test_versions_count_on_from_the_highest_number(repository):
    publish_style(repository, "# nine", version=9)
    publish_style(repository, "# ten", version=10)
    (repository / "style" / "not a version").mkdir()
    assert versions(repository / "style") == [9, 10]
    assert publish_style(repository, "# eleven").version == 11


@pytest.mark.parametrize("version", [2, 1])
def test_a_version_that_is_taken_or_would_not_be_served_is_refused(repository, version):
    publish_style(repository, version=2)
    before = contents(repository)
    with pytest.raises(PublishError, match=rf"version {version} of style .* take 3"):
        publish_style(repository, "# other", version=version)
    assert contents(repository) == before


def test_two_exports_exclude_each_other(repository):
    with (
        RepositoryWriter(repository),
        pytest.raises(PublishError, match=f"another export is publishing into {repository}"),
    ):
        publish_style(repository)
    assert publish_style(repository).is_new


def test_a_repository_that_cannot_be_had_leaves_no_file_open(repository, monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError(1, os.strerror(1))

    publish_style(repository)
    before = set(Path("/proc/self/fd").iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(RepositoryWriter, "_clear_staging", refuse)
        with pytest.raises(PermissionError):
            publish_style(repository)
    assert set(Path("/proc/self/fd").iterdir()) == before
    assert publish_style(repository, "# two").version == 2


def test_the_root_of_a_file_system_is_refused():
    with pytest.raises(PublishError, match="/proc is the root of a file system"):
        publish_style(Path("/proc"))


def test_a_file_system_that_cannot_swap_leaves_the_repository_as_it_was(repository, monkeypatch):
    publish_style(repository)
    before = contents(repository)

    def refuse(first: Path, second: Path) -> None:
        raise OSError(22, os.strerror(22), str(second))

    monkeypatch.setattr(repository_module, "_exchange", refuse)
    with pytest.raises(PublishError, match="cannot swap folders in one step"):
        publish_style(repository, "# two")
    assert contents(repository.parent) == {f"repository/{name}": before[name] for name in before}


def test_without_hard_links_old_versions_are_copied(repository, monkeypatch):
    publish_style(repository)
    before = contents(repository)

    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError(1, os.strerror(1))

    monkeypatch.setattr(os, "link", refuse)
    publish_style(repository, "# two")
    assert contents(repository / "style" / "1") == contents_below(before, "style/1/")


def contents_below(tree: dict[str, bytes], folder: str) -> dict[str, bytes]:
    return {
        path.removeprefix(folder): content
        for path, content in tree.items()
        if path.startswith(folder)
    }


def model(name: str, text: str) -> ModelFolder:
    files = {"config.pbtxt": text.encode(), "labels.txt": text.encode()}
    return ModelFolder(name, files, {"model.onnx": text.encode()}, Manifest({"model": text}, {}))


def publish_pair(repository: Path, text: str) -> Publication:
    """Publishes two models, and the configuration of one whose versions nobody publishes."""
    configured = ModelFolder("reader", {"config.pbtxt": text.encode()}, {}, None)
    with RepositoryWriter(repository) as writer:
        return writer.publish([model("encoder", text), configured, model("decoder", text)])


def test_models_that_belong_together_get_one_version(repository):
    publish_style(repository)
    publish_pair(repository, "one")
    with RepositoryWriter(repository) as writer:
        writer.publish([model("decoder", "alone")])
    publication = publish_pair(repository, "two")
    folders = (repository / "encoder" / "3", repository / "decoder" / "3")
    assert publication == Publication(folders, 3, is_new=True)
    assert not publish_pair(repository, "two").is_new
    assert (repository / "encoder" / "labels.txt").read_bytes() == b"two"
    assert versions(repository / "encoder") == [1, 3]
    assert versions(repository / "style") == [1]


def test_of_a_model_without_a_manifest_only_its_own_files_are_replaced(repository):
    code = repository / "reader" / "7" / "model.py"
    code.parent.mkdir(parents=True)
    code.write_text("by hand")
    for version, text in ((1, "one"), (2, "two")):
        assert publish_pair(repository, text).version == version
        assert contents(repository / "reader") == {
            "7/model.py": b"by hand",
            "config.pbtxt": text.encode(),
        }
    (repository / "reader" / "config.pbtxt").write_text("by hand")
    assert publish_pair(repository, "two").version == 3
    (repository / "reader" / "config.pbtxt").unlink()
    assert publish_pair(repository, "two").version == 4
    assert not publish_pair(repository, "two").is_new


@pytest.mark.parametrize("earlier_versions", [0, 1])
def test_if_one_of_two_cannot_be_published_neither_is(repository, monkeypatch, earlier_versions):
    publish_style(repository)
    for _ in range(earlier_versions):
        publish_pair(repository, "one")
    before = contents(repository)
    swap_in = repository_module._swap_in

    def refuse_the_second(staged: Path, folder: Path) -> None:
        if folder.name == "decoder":
            raise PublishError("no")
        swap_in(staged, folder)

    monkeypatch.setattr(repository_module, "_swap_in", refuse_the_second)
    with pytest.raises(PublishError, match="no"):
        publish_pair(repository, "two")
    assert contents(repository.parent) == {f"repository/{name}": before[name] for name in before}


# Publishes into copies of a repository, and kills the publisher before the first, the second, the
# third … operation that the interpreter reports, until one is quick enough to finish.
_KILLED_AT_EVERY_MOMENT = """
import itertools, os, shutil, signal, sys
from pathlib import Path
from test_repository import publish_pair

before, work = map(Path, sys.argv[1:])
OPERATIONS = ("open", "os.", "shutil.", "ctypes.")

def publish_and_die(repository, moment):
    countdown = itertools.count(moment, -1)
    def before_operation(event, arguments):
        if event.startswith(OPERATIONS) and next(countdown) == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(before_operation)
    publish_pair(repository, "two")

for moment in itertools.count():
    repository = work / str(moment) / "repository"
    shutil.copytree(before, repository)
    child = os.fork()
    if child == 0:
        publish_and_die(repository, moment)
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
"""


@pytest.mark.parametrize("earlier_versions", [0, 1])
def test_a_publisher_killed_at_any_moment_leaves_the_old_or_the_new(tmp_path, earlier_versions):
    repository = tmp_path / "repository"
    repository.mkdir()
    for _ in range(earlier_versions):
        publish_pair(repository, "one")
    before = contents(repository)
    work = tmp_path / "work"
    command = [sys.executable, "-c", _KILLED_AT_EVERY_MOMENT, repository, work]
    subprocess.run(command, cwd=Path(__file__).parent, check=True)
    publish_pair(repository, "two")
    after = contents(repository)
    left = [work / str(moment) for moment in range(len(list(work.iterdir())))]
    states = [contents(folder / "repository") for folder in left]
    for name in ("encoder", "decoder", "reader"):
        old, new = contents_below(before, f"{name}/"), contents_below(after, f"{name}/")
        ours = [contents_below(state, f"{name}/") for state in states]
        assert all(state in (old, new) for state in ours)
        assert ours[0] == old
        assert ours[-1] == new
        assert sum(one != other for one, other in itertools.pairwise(ours)) == 1
    # Killed between the two, the repository holds half until the next export.
    assert sum(state not in (before, after) for state in states) < 10
    unfinished = [folder for folder in left if (folder / ".repository.staging").exists()]
    assert len(unfinished) > 10
    for folder in unfinished:
        publish_pair(folder / "repository", "two")
        assert contents(folder) == {f"repository/{name}": after[name] for name in after}


def test_manifests_are_read_as_they_were_written():
    manifest = Manifest({"model": "style", "files": fingerprints(FILES)}, {"tools": {"a": "1"}})
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert manifest.to_json() == Manifest.from_json(manifest.to_json()).to_json()
    assert json.loads(manifest.to_json())["files"]["model.onnx"] == {
        "bytes": 7,
        "sha256": "9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c",
    }


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff"])
def test_what_is_no_manifest_is_refused(content):
    with pytest.raises(ValueError):  # noqa: PT011
        Manifest.from_json(content)
