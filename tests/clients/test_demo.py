"""`atelier demo`, with the server's side played by the scripted one."""

import subprocess
import sys
import time

import pytest
from PIL import Image

from atelier import Client
from atelier._cli import demo
from atelier._cli.contact_sheet import contact_sheet
from atelier._cli.root import run
from atelier._cli.served import own_server
from atelier._cli.timings import Stopwatch

READY = "print('ready grpc={url} http=127.0.0.1:2 metrics=127.0.0.1:3', flush=True)"
STAND_IN = """#!/bin/sh
exec {python} -c "
import signal, sys, time
def end(*_):
    print('stopped', file=sys.stderr)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print('as the log says', file=sys.stderr, flush=True)
{rest}
time.sleep(60)
"
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Makes a program that plays `atelier serve`: `stand_in("python code")`."""

    def make(rest: str) -> None:
        program = tmp_path / "python"
        program.write_text(STAND_IN.format(python=sys.executable, rest=rest))
        program.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(program))

    return make


def test_the_demo_on_a_running_server(server, tmp_path, capsys):
    output = tmp_path / "out"
    assert run(["demo", "--url", server.url, "--output", str(output)]) == 0
    shown = capsys.readouterr().out
    styles = ["great_wave", "udnie", "great_wave-0.5+udnie-0.5"]
    expected = {
        f"{photo}-{style}.jpg"
        for photo in ("astronaut", "chelsea", "coffee", "rocket")
        for style in styles
    }
    assert {path.name for path in output.iterdir()} == expected | {"contact_sheet.jpg"}
    assert all(name in shown for name in expected)
    assert str(output / "contact_sheet.jpg") in shown
    assert "12 paintings" in shown
    row = next(line for line in shown.splitlines() if "│ rocket" in line)
    total, queue, network, pictures, rest = row.replace("│", " ").split()[-5:]
    assert (queue, network, pictures) == ("4.0", "5.0", "6.0")
    assert float(total) == pytest.approx(4 + 5 + 6 + float(rest), abs=0.2)
    with Image.open(output / "contact_sheet.jpg") as sheet:
        assert sheet.width > 4 * 256
        assert sheet.height > 4 * 192


def test_a_timing_with_others_traffic_is_none(server, picture):
    with Client(server.url) as art, Client(server.url) as other:
        stopwatch = Stopwatch(art)

        def request() -> None:
            art.stylize_encoded(picture("jpeg"), "udnie")
            other.stylize_encoded(picture("jpeg"), "udnie")

        assert stopwatch.time(request)[1] is None


def test_the_demo_starts_and_stops_its_own_server(server, stand_in, tmp_path, capsys):
    stand_in(READY.format(url=server.url))
    output = tmp_path / "out"
    repository = tmp_path / "repository"
    repository.mkdir()
    arguments = ["demo", "--output", str(output), "--model-repository", str(repository)]
    assert run(arguments) == 0
    assert (output / "contact_sheet.jpg").is_file()
    assert (output / "server.log").read_text() == "as the log says\nstopped\n"


def test_the_own_server_is_stopped_after_an_error(stand_in, tmp_path):
    stand_in(READY.format(url="127.0.0.1:1"))
    log = tmp_path / "log"

    def interrupted() -> None:
        with own_server(tmp_path, log) as url:
            assert url == "127.0.0.1:1"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert log.read_text().endswith("stopped\n")


def test_the_own_server_ends_with_a_process_that_was_killed(stand_in, tmp_path):
    python = sys.executable
    stand_in(READY.format(url="127.0.0.1:1"))
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from atelier._cli.served import own_server\n"
        f"sys.executable = {sys.executable!r}\n"
        f"with own_server(Path({str(tmp_path)!r}), Path({str(tmp_path / 'log')!r})):\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(60)\n"
    )
    process = subprocess.Popen([python, "-c", code], stdout=subprocess.PIPE)
    with process:
        assert process.stdout.readline() == b"ready\n"
        process.kill()
    end = time.monotonic() + 10
    while not (tmp_path / "log").read_text().endswith("stopped\n"):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_server_that_does_not_start_says_why(stand_in, tmp_path, capsys):
    stand_in("sys.exit(7)")
    assert (
        run(["demo", "--output", str(tmp_path / "out"), "--model-repository", str(tmp_path)]) == 1
    )
    shown = capsys.readouterr().err
    assert "exit code 7" in shown
    assert "as the log says" in shown


def test_no_model_repository(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["demo"]) == 2
    assert "no model repository 'model_repository'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_without_the_photographs(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(demo.importlib.util, "find_spec", lambda name: None)
    assert run(["demo", "--output", str(tmp_path / "out")]) == 1
    assert 'pip install "atelier[samples]"' in capsys.readouterr().err


def test_the_photographs_need_no_download():
    for photo in demo._sample_photos():
        with Image.open(photo) as image:
            image.load()
            assert min(image.size) >= 300


def test_a_sheet_has_a_place_for_each_picture():
    red, blue = Image.new("RGB", (400, 100), "red"), Image.new("RGB", (100, 400), "blue")
    sheet = contact_sheet(["one", "two"], [("first", [red, blue]), ("second", [blue, red])])
    colours = {colour for _, colour in sheet.getcolors(maxcolors=1 << 24)}
    assert {(255, 0, 0), (0, 0, 255)} <= colours
    half = sheet.crop((0, sheet.height // 2, sheet.width, sheet.height))
    assert {(255, 0, 0), (0, 0, 255)} <= {c for _, c in half.getcolors(maxcolors=1 << 24)}
