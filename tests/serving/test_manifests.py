"""What a model repository holds is compared with its manifests, and they with their signatures."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from atelier_serving import ReloadError, StartError, TritonServer
from atelier_serving.integrity_commands import manifest, sign, verify
from atelier_serving.manifests import Kind, Verification, fingerprint, problems
from atelier_serving.signatures import PrivateKey, PublicKey

PUBLISHED = Path(__file__).parents[2] / "model_repository"
RAW, PKCS8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
PUBLIC = serialization.PublicFormat.SubjectPublicKeyInfo


def write(folder, version, files, *, config="one", others=None):
    """A version of a model, with a manifest as an export writes it."""
    path = folder / str(version)
    path.mkdir(parents=True)
    (folder / "config.pbtxt").write_text(config)
    for name, content in files.items():
        (path / name).write_text(content)
    stated = {name: fingerprint(path / name) for name in (*files, "../config.pbtxt")}
    content = {"model": folder.name, "files": stated, "measured": {}}
    if others:
        content["published_with"] = others
    (path / "manifest.json").write_text(json.dumps(content))


@pytest.fixture
def repository(tmp_path):
    """Two models; no export makes the code of one, but its configuration comes with the other."""
    root = tmp_path / "models"
    code = root / "code" / "1"
    code.mkdir(parents=True)
    (root / "code" / "config.pbtxt").write_text("of code")
    (code / "model.py").write_text("pass")
    with_it = {"code": {"../config.pbtxt": fingerprint(root / "code" / "config.pbtxt")}}
    write(root / "net", 1, {"model.onnx": "old"}, config="before", others=with_it)
    write(root / "net", 2, {"model.onnx": "new", "table": "a"}, config="now", others=with_it)
    assert CliRunner().invoke(manifest, [str(code)]).exit_code == 0
    return root


@pytest.fixture
def keys(tmp_path):
    """Files with a private key, its public key, and the public key of somebody else."""
    own, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    private = tmp_path / "key.pem"
    private.write_bytes(own.private_bytes(RAW, PKCS8, serialization.NoEncryption()))
    for name, key in (("own", own), ("other", other)):
        (tmp_path / name).write_bytes(key.public_key().public_bytes(RAW, PUBLIC))
    return private, tmp_path / "own", tmp_path / "other"


def found(repository, key=None):
    return {
        (str(each.path.relative_to(repository)), each.kind) for each in problems(repository, key)
    }


def test_what_lies_here_is_as_it_was_published():
    wrong = [str(each) for each in problems(PUBLISHED) if "__pycache__" not in str(each.path)]
    assert wrong == [], "after a change of a model's code: make manifests"


def test_a_repository_as_it_was_published_has_no_problems(repository):
    assert found(repository) == set()


def test_each_file_that_is_not_as_it_was_is_named(repository):
    (repository / "net" / "1" / "model.onnx").write_text("odl")
    (repository / "net" / "2" / "table").unlink()
    (repository / "net" / "2" / "more").touch()
    (repository / "net" / "config.pbtxt").write_text("not")
    (repository / "net" / "labels.txt").touch()
    (repository / "code" / "config.pbtxt").unlink()
    (repository / "code" / "1" / "__pycache__").mkdir()
    (repository / "code" / "1" / "__pycache__" / "model.pyc").touch()
    (repository / "code" / "1" / "folder").symlink_to("/etc")
    (repository / "third" / "1").mkdir(parents=True)
    assert found(repository) == {
        ("net/1/model.onnx", Kind.ALTERED),
        ("net/2/table", Kind.MISSING),
        ("net/2/more", Kind.EXTRA),
        ("net/config.pbtxt", Kind.ALTERED),
        ("net/labels.txt", Kind.EXTRA),
        ("code/config.pbtxt", Kind.MISSING),
        ("code/1/__pycache__/model.pyc", Kind.EXTRA),
        ("code/1/folder", Kind.EXTRA),
        ("third/1", Kind.UNLISTED),
    }


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"model": "net"}',
        b'{"model": "other", "files": {}}',
        b'{"model": "net", "files": {"../../secret": {}}}',
        b'{"model": "net", "files": {"../configs/../../secret": {}}}',
        b'{"model": "net", "files": {"configs/a": {}}}',
        b'{"model": "net", "files": {"/etc/passwd": {}}}',
        b'{"model": "net", "files": {"..": {}}}',
        b'{"model": "net", "files": {"a\\u0000": {}}}',
        b'{"model": "net", "files": {}, "published_with": []}',
        b'{"model": "net", "files": {}, "published_with": {"code": []}}',
    ],
)
def test_what_is_no_manifest_of_the_model(repository, content):
    (repository / "net" / "2" / "manifest.json").write_bytes(content)
    assert ("net/2/manifest.json", Kind.ALTERED) in found(repository)


def test_the_command_names_the_files(repository):
    run = CliRunner().invoke(verify, [str(repository)])
    assert (run.exit_code, run.output) == (0, "as published: 3 versions of models\n")
    (repository / "net" / "2" / "table").unlink()
    run = CliRunner().invoke(verify, [str(repository)])
    assert run.exit_code == 1
    assert run.output.splitlines()[0] == f"{repository}/net/2/table is missing"


def test_what_was_signed_holds_until_a_manifest_changes(repository, keys):
    private, own, other = keys
    key = PublicKey.read(own)
    unsigned = {(f"{each}/manifest.json", Kind.UNSIGNED) for each in ("code/1", "net/1", "net/2")}
    assert found(repository, key) == unsigned
    run = CliRunner().invoke(sign, [str(repository), "--key", str(private)])
    assert run.exit_code == 0, run.output
    assert found(repository, key) == found(repository) == set()
    assert found(repository, PublicKey.read(other)) == unsigned
    signed = CliRunner().invoke(verify, [str(repository), "--public-key", str(own)])
    assert signed.output == "as published: 3 versions of models, signed\n"
    (repository / "code" / "1" / "model.py").write_text("evil")
    assert CliRunner().invoke(manifest, [str(repository / "code" / "1")]).exit_code == 0
    assert found(repository, key) == {("code/1/manifest.json", Kind.UNSIGNED)}


def test_nothing_altered_is_signed(repository, keys):
    (repository / "net" / "2" / "table").write_text("b")
    run = CliRunner().invoke(sign, [str(repository), "--key", str(keys[0])])
    assert run.exit_code == 1
    assert "nothing was signed" in run.output
    assert not list(repository.rglob("manifest.sig"))


def test_what_is_no_key_is_named(keys, tmp_path):
    private, own, _ = keys
    for read, path in ((PublicKey.read, private), (PrivateKey.read, own)):
        with pytest.raises(ValueError, match=rf"{path.name}: no \w+ key of Ed25519 in PEM"):
            read(path)


def test_what_tools_leave_is_not_written_down(repository):
    version = repository / "code" / "1"
    before = (version / "manifest.json").read_bytes()
    for folder in (".mypy_cache", "__pycache__"):
        (version / folder).mkdir()
        (version / folder / "file").touch()
    assert CliRunner().invoke(manifest, [str(version)]).output.endswith(": as it was\n")
    assert (version / "manifest.json").read_bytes() == before


def test_a_manifest_of_an_export_is_not_written_anew(repository):
    run = CliRunner().invoke(manifest, [str(repository / "net" / "2")])
    assert run.exit_code == 1
    assert "was written by an export" in run.output


def test_a_server_refuses_what_is_missing_or_altered(repository, keys):
    check = Verification().check
    (repository / "net" / "2" / "more").touch()
    (repository / "third" / "1").mkdir(parents=True)
    check([str(repository), "s3://bucket/models"])  # models of somebody else have no manifests
    (repository / "net" / "2" / "model.onnx").unlink()
    with pytest.raises(StartError, match=r"net/2/model\.onnx is missing\n.*--allow-altered"):
        check([str(repository)])
    strict = Verification(PublicKey.read(keys[1])).check
    with pytest.raises(StartError, match=r"third/1 has no manifest"):
        strict([str(repository)])
    with pytest.raises(StartError, match=r"s3://bucket/models cannot be verified"):
        strict([str(repository), "s3://bucket/models"])


def test_the_serve_command_refuses_an_altered_file_before_it_starts(serve, repository, keys):
    (repository / "net" / "2" / "model.onnx").write_text("wen")
    command = serve("--model-repository", repository, http=False)
    assert command.end() == 1
    assert "net/2/model.onnx is altered" in command.log
    for wrong, message in (
        (["--public-key", keys[0]], "no public key of Ed25519"),
        (["--public-key", keys[1], "--allow-altered"], "exclude each other"),
    ):
        command = serve(*wrong, http=False)
        assert command.end() == 2
        assert message in command.log


def test_a_running_server_does_not_take_what_is_altered(tmp_path, write_model):
    version = write_model(tmp_path / "models", "waiter") / "waiter" / "1"
    assert CliRunner().invoke(manifest, [str(version)]).exit_code == 0
    options = ["--disable-auto-complete-config"]
    with TritonServer(tmp_path / "models", verification=Verification(), options=options) as server:
        (version / "model.py").write_text("raise SystemExit")
        with pytest.raises(ReloadError, match=r"nothing was changed: .*model\.py is altered"):
            server.reload()


def test_without_the_extra_a_key_cannot_be_read(keys):
    code = (
        "import sys; sys.modules['cryptography'] = None\n"
        "from pathlib import Path\n"
        "from atelier_serving.signatures import PublicKey\n"
        f"PublicKey.read(Path({os.fspath(keys[1])!r}))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ModuleNotFoundError" in run.stderr
    assert "cryptography" in run.stderr.splitlines()[-1]
