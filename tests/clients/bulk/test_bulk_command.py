"""`atelier bulk` against the scripted server."""

import csv
import json
import os
import signal
import subprocess
import sys
import tarfile

import fsspec
import grpc
import pytest
from pyarrow import parquet

from atelier._cli.root import run


@pytest.fixture
def bulk(server, capsys):
    """Runs a command; returns its exit code, standard output and standard error."""

    def bulk(command, *arguments, url=None):
        code = run(["bulk", command, *map(str, arguments), "--url", url or server.url])
        return (code, *capsys.readouterr())

    return bulk


def test_a_folder(bulk, server, photos, tmp_path, files_of):
    code, out, err = bulk("stylize", photos, tmp_path / "out", "--style", "udnie")
    assert code == 0
    assert json.loads(out)["computed"] == 6
    assert "6 of 6: 6 done, 0 failed, 0 skipped" in err
    assert {"a.jpg", "sub/deep/d e.jpeg"} < set(files_of(tmp_path / "out"))
    assert server.inputs["style"] == b"udnie"
    code, out, _ = bulk("stylize", photos, tmp_path / "out", "--style", "udnie")
    assert (code, json.loads(out)["skipped"]) == (0, 6)


def test_some_failed(bulk, photos, tmp_path):
    (photos / "broken.jpg").write_bytes(b"no image")
    code, _, err = bulk("stylize", photos, tmp_path / "out", "--style", "udnie")
    assert code == 1
    assert f"1 failed; their names and reasons: {tmp_path}/out/_atelier/errors.jsonl" in err


def test_wrong_usage(bulk, server, photos, tmp_path):
    (tmp_path / "empty").mkdir()
    out = tmp_path / "out"
    for arguments, reason in [
        ((tmp_path / "gone", out), "there is no file or folder"),
        ((tmp_path / "empty", out), "there are no images in IN"),
        ((photos, photos / "out"), "results would become inputs"),
        ((photos, tmp_path / "out.csv"), "a folder, a .tar or a URL"),
        ((photos, "/proc/out"), "cannot be written"),
    ]:
        code, _, err = bulk("stylize", *arguments, "--style", "udnie")
        assert (code, reason in err) == (2, True), err
    code, _, err = bulk("classify", photos, out)
    assert (code, "a table: .csv" in err) == (2, True) or "classify" in err
    server.script = [(grpc.StatusCode.INVALID_ARGUMENT, "style: there is no 'nobody'")]
    code, _, err = bulk("stylize", photos, out, "--style", "nobody")
    assert (code, "there is no 'nobody'" in err) == (2, True)


def test_a_server_that_is_not_there(bulk, photos, tmp_path):
    code, _, err = bulk("stylize", photos, tmp_path / "out", "--style", "udnie", url="127.0.0.1:1")
    assert code == 3
    assert "cannot reach the server" in err


def test_a_dry_run(bulk, photos, tmp_path):
    code, out, _ = bulk("stylize", photos, tmp_path / "out", "--style", "udnie", "--dry-run")
    assert (code, out.startswith("would compute 6, copy 0")) == (0, True)
    assert not (tmp_path / "out").exists()


def test_lists_globs_and_archives(bulk, photos, tmp_path, files_of, monkeypatch):
    monkeypatch.chdir(photos)
    style = ["--style", "udnie"]
    (tmp_path / "list").write_text("a.jpg\n\nsub/a.jpg\n./b.PNG\n")
    assert bulk("stylize", tmp_path / "list", tmp_path / "1", *style)[0] == 0
    assert set(files_of(tmp_path / "1")) == {"a.jpg", "sub/a.jpg", "b.PNG.jpg"}
    (tmp_path / "list").write_bytes(f"{photos}/a.jpg\0../in/c.webp".encode())
    assert bulk("stylize", tmp_path / "list", tmp_path / "2", *style)[0] == 0
    root = str(photos).lstrip("/")
    assert set(files_of(tmp_path / "2")) == {f"{root}/a.jpg", f"{root}/c.webp.jpg"}
    assert bulk("stylize", f"{photos}/**/*.jp*g", tmp_path / "3", *style)[0] == 0
    assert set(files_of(tmp_path / "3")) == {"a.jpg", "sub/a.jpg", "sub/deep/d e.jpeg"}
    for number in range(2):
        with tarfile.open(tmp_path / f"shard-0{number}.tar", "w") as archive:
            archive.add("a.jpg", "000.jpg")
            archive.add("sub/deep", "deep")
            archive.add("notes.txt")
    assert bulk("stylize", tmp_path / "shard-00.tar", tmp_path / "4", *style)[0] == 0
    assert set(files_of(tmp_path / "4")) == {"000.jpg", "deep/d e.jpeg"}
    code, out, _ = bulk("stylize", tmp_path / "shard-{00..01}.tar", tmp_path / "5", *style)
    assert (json.loads(out)["computed"], json.loads(out)["copied"]) == (2, 2)
    assert set(files_of(tmp_path / "5")) == {
        f"shard-0{number}/{name}" for number in range(2) for name in ("000.jpg", "deep/d e.jpeg")
    }
    (tmp_path / "packed.tar").write_bytes(b"\x1f\x8b no tar" * 100)
    code, _, err = bulk("stylize", tmp_path / "packed.tar", tmp_path / "6", *style)
    assert (code, "decompress it first" in err) == (1, True)


def test_a_list_on_standard_input(server, photos, tmp_path, files_of):
    command = [sys.executable, "-m", "atelier", "bulk", "stylize", "-", tmp_path / "out"]
    done = subprocess.run(
        [*command, "--style", "udnie", "--url", server.url],
        input=b"a.jpg\nsub/a.jpg", cwd=photos, capture_output=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["computed"] == 2
    assert set(files_of(tmp_path / "out")) == {"a.jpg", "sub/a.jpg"}


def test_a_tar(bulk, photos, tmp_path, picture):
    out = tmp_path / "out.tar"
    assert bulk("stylize", photos, out, "--style", "udnie")[0] == 0
    with tarfile.open(out) as archive:
        names = set(archive.getnames())
        assert archive.extractfile("a.jpg").read() == picture("jpeg")
    assert len(names) == 6
    before = out.read_bytes()
    assert json.loads(bulk("stylize", photos, out, "--style", "udnie")[1])["skipped"] == 6
    assert out.read_bytes() == before
    (photos / "new.jpg").write_bytes(picture("jpeg", (99, 16)))
    # What a killed run leaves: no end, and half a file.
    out.rename(tmp_path / "out.tar.partial")
    with (tmp_path / "out.tar.partial").open("r+b") as file:
        file.truncate(len(before) - 1024)
        file.seek(0, os.SEEK_END)
        file.write(b"half a file")
    summary = json.loads(bulk("stylize", photos, out, "--style", "udnie")[1])
    assert (summary["skipped"], summary["computed"]) == (6, 1)
    with tarfile.open(out) as archive:
        assert set(archive.getnames()) == {*names, "new.jpg"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out.tar", "out.tar._atelier"]


def test_urls(bulk, photos, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.put(str(photos), "/photos", recursive=True)
    command = ("stylize", "memory://photos", "memory://out", "--style", "udnie")
    code, out, _ = bulk(*command)
    assert (code, json.loads(out)["computed"]) == (0, 6)
    assert files.cat("/out/sub/deep/d e.jpeg")[:3] == b"\xff\xd8\xff"
    files.rm("/out/a.jpg")
    files.pipe("/photos/sub/new.jpg", b"no image")
    code, out, err = bulk(*command)
    summary = json.loads(out)
    assert (code, summary["computed"], summary["skipped"], summary["failed"]) == (1, 1, 5, 1)
    assert str(tmp_path / "state") in err
    code, _, err = bulk("stylize", "memory://nothing", "memory://out", "--style", "udnie")
    assert (code, "there is nothing at 'memory://nothing'" in err) == (1, True)


def test_tables(bulk, server, photos, tmp_path):
    server.classes = {
        "probabilities": [b"0.75:4:ukiyo_e", b"0.25:1:cubism"],
        "era_probabilities": [b"0.5:0:classical", b"0.5:2:modern"],
    }
    out = tmp_path / "out.csv"
    assert bulk("classify", photos, out, "--top", "2")[0] == 0
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    assert rows[0] == {
        "file": "a.jpg", "movement": "ukiyo_e", "movement_probability": "0.75",
        "era": "classical", "era_probability": "0.5",
    }  # fmt: skip
    assert json.loads(bulk("classify", photos, out, "--top", "2")[1])["skipped"] == 6
    (photos / "broken.jpg").write_bytes(b"")
    out = tmp_path / "out.jsonl"
    assert bulk("classify", photos, out, "--top", "1")[0] == 1
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(lines) == 6
    assert lines[0]["movements"] == [{"name": "ukiyo_e", "probability": 0.75}]


def test_parquet(bulk, server, photos, tmp_path):
    server.classes = {
        "probabilities": [b"0.75:4:ukiyo_e"],
        "era_probabilities": [b"0.5:0:classical"],
    }
    assert bulk("classify", photos, tmp_path / "out.parquet", "--top", "1")[0] == 0
    rows = parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert rows[0]["file"] == "a.jpg"
    assert rows[0]["eras"] == [{"name": "classical", "probability": 0.5}]


def test_ctrl_c_finishes_what_is_in_flight(server, photos, tmp_path, files_of):
    server.script = [None]  # The probe of the options.
    held = server.hold()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "atelier", "bulk", "stylize", photos, tmp_path / "out"),
            *("--style", "udnie", "--url", server.url),
        ],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    server.wait_for(lambda: server.working and len(server.requests) == 2)
    process.send_signal(signal.SIGINT)
    assert "Finishing what is in flight" in process.stderr.readline()
    held.set()
    out, err = process.communicate()
    assert process.returncode == 130
    assert json.loads(out)["computed"] == len(files_of(tmp_path / "out")) == 1
    assert "The same command goes on" in err


def test_the_requests_come_after_those_of_others(bulk, server, photos, tmp_path):
    bulk("stylize", photos, tmp_path / "out", "--style", "udnie")
    probe, *images = server.requests
    assert "priority" not in probe.parameters
    assert {request.parameters["priority"].uint64_param for request in images} == {2}
    assert {request.parameters["bulk"].bool_param for request in images} == {True}
