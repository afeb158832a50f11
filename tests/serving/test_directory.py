import json
import subprocess
import sys

import pytest

from atelier_serving.directory import ServerDirectory
from atelier_serving.installation import find_installation


@pytest.fixture
def directory(tmp_path):
    made = ServerDirectory(tmp_path / "server")
    made.fill(find_installation())
    return made


def test_nothing_is_written_beside_the_installation(tmp_path):
    installation = find_installation()
    root = installation.binary.parents[1]
    before = sorted(root.rglob("*"))
    ServerDirectory(tmp_path / "server").fill(installation)
    assert sorted(root.rglob("*")) == before


def test_the_parts_of_both_backends_are_there(directory):
    files = {str(path.relative_to(directory.backends)) for path in directory.backends.glob("*/*")}
    assert files == {
        "python/libtriton_python.so",
        "python/triton_python_backend_utils.py",
        "python/triton_python_backend_stub",
        "onnxruntime/model.py",
    }
    assert all(path.exists() for path in directory.backends.glob("*/*"))


def test_the_environment_imports_what_this_process_can(tmp_path, monkeypatch):
    extra = tmp_path / "extra"
    (extra / "linked").mkdir(parents=True)
    (extra / "editable.pth").write_text(str(extra / "linked"))
    monkeypatch.syspath_prepend(extra)
    directory = ServerDirectory(tmp_path / "server")
    directory.fill(find_installation())
    python = directory.environment / "bin" / "python3"
    code = "import sys, json; print(json.dumps([sys.path, sys.dont_write_bytecode]))"
    output = subprocess.run([python, "-I", "-c", code], capture_output=True, check=True).stdout
    path, dont_write_bytecode = json.loads(output)
    assert dont_write_bytecode
    assert {str(extra), str(extra / "linked")} <= set(path)
    assert {entry for entry in sys.path if entry.startswith("/")} <= set(path)


def test_a_model_py_in_the_working_directory_is_not_taken_for_the_backend(tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "model.py").write_text("raise SystemExit('not a backend')")
    monkeypatch.syspath_prepend(tmp_path / "work")
    directory = ServerDirectory(tmp_path / "server")
    directory.fill(find_installation())
    python = directory.environment / "bin" / "python3"
    code = "import importlib.util; print(importlib.util.find_spec('model'))"
    output = subprocess.run([python, "-I", "-c", code], capture_output=True, check=True).stdout
    assert output.strip() == b"None"
