"""Repositories, modules and temporary files at paths that a shell or ASCII would change."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from atelier_serving import StartError
from atelier_serving.directory import ServerDirectory
from atelier_serving.installation import find_installation
from atelier_serving.plain_paths import is_plain, make_directory

NAMES = ("My Models", "Modèles", "$HOME", 'it\'s "quoted"', "a;b&c", "模型")
IDENTITY = """
<ir_version: 8, opset_import: ["" : 18]>
identity (int32[1] gate) => (int32[1] same)
{
    same = Identity (gate)
}
"""


@pytest.mark.parametrize("name", NAMES)
def test_no_such_name_is_plain(name):
    assert not is_plain(f"/models/{name}")


def test_models_are_served_from_any_path(start, tmp_path, write_model, infer):
    onnx = pytest.importorskip("onnx")
    repository = write_model(tmp_path / "-".join(NAMES), "waiter")
    network = repository / "network" / "1"
    network.mkdir(parents=True)
    onnx.save(onnx.parser.parse_model(IDENTITY), network / "model.onnx")
    (network.parent / "config.pbtxt").write_text('backend: "onnxruntime" max_batch_size: 0')
    server = start([repository, write_model(tmp_path / "plain", "another")], options=())
    assert infer(server.grpc_url) == 0
    assert server._control().served().keys() == {"waiter", "network", "another"}


def test_a_model_at_such_a_path_is_reloaded(start, tmp_path, write_model):
    repository = write_model(tmp_path / "Mes modèles", "waiter")
    server = start(repository)
    write_model(repository, "another")
    assert server.reload().loaded["another"] == [1]


def test_temporary_files_go_where_the_path_is_plain(tmp_path, monkeypatch):
    odd = tmp_path / "Mes modèles"
    odd.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(odd))
    made = make_directory()
    made.rmdir()
    assert is_plain(str(made))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    made = make_directory()
    assert made.parent == tmp_path


def test_without_a_plain_place_for_temporary_files_a_start_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "Mes modèles"))
    monkeypatch.setattr("atelier_serving.plain_paths.TEMPORARY", (str(tmp_path / "none"),))
    with pytest.raises(StartError, match=r"set TMPDIR to one, not to '.*/Mes modèles'"):
        make_directory()


@pytest.mark.parametrize("name", NAMES)
def test_a_model_with_such_a_name_is_refused_at_once(start, tmp_path, write_model, name):
    with pytest.raises(StartError, match="cannot serve a model named"):
        start(write_model(tmp_path, name))


def test_modules_are_found_at_any_path(tmp_path, monkeypatch):
    site, linked = tmp_path / "Modèles" / "site", tmp_path / "Modèles" / "linked"
    for folder, module in ((site, "installed"), (linked, "editable"), (tmp_path / "a b", "other")):
        folder.mkdir(parents=True)
        (folder / f"{module}_here.py").touch()
    (tmp_path / "a b" / "editable.pth").write_text(f"{linked}\n", encoding="utf-8")
    for entry in (site, linked, tmp_path / "a b"):
        monkeypatch.syspath_prepend(entry)
    directory = ServerDirectory(tmp_path / "server")
    directory.fill(find_installation())
    python = directory.environment / "bin" / "python3"
    code = "import sys, installed_here, editable_here, other_here; print(sys.path)"
    # Python takes paths for ASCII, as in a stub.
    ascii_alone = {"PATH": os.environ["PATH"], "LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0"}
    command = [python, "-I", "-X", "utf8=0", "-c", code]
    subprocess.run(command, env=ascii_alone, check=True, capture_output=True)


def test_a_python_at_any_path_starts_the_stubs(tmp_path, monkeypatch):
    real = Path(os.path.realpath(sys.executable))
    prefix = tmp_path / "Modèles"
    (prefix / "bin").mkdir(parents=True)
    for part in ("lib", "include"):
        (prefix / part).symlink_to(real.parents[1] / part)
    (prefix / "bin" / real.name).hardlink_to(real)
    monkeypatch.setattr(sys, "executable", str(prefix / "bin" / real.name))
    directory = ServerDirectory(tmp_path / "server")
    directory.fill(find_installation())
    configuration = (directory.environment / "pyvenv.cfg").read_text()
    assert configuration.startswith(f"home = {directory.path}/links/")
    python = directory.environment / "bin" / "python3"
    assert subprocess.run([python, "-I", "-c", "import json"], check=True).returncode == 0
