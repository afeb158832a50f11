"""`atelier demo`, with the server's side played by the scripted one."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from atelier import Client
from atelier._cli import demo
from atelier._cli.contact_sheet import contact_sheet
from atelier._cli.root import run
from atelier._cli.served import own_server
from atelier._cli.timings import Stopwatch
from fakes.autoencoder import SIDE, Autoencoder
from fakes.generator import Generator
from fakes.waiting import HANG_SECONDS

READY = "print('ready grpc={url} metrics=127.0.0.1:3', flush=True)"
STAND_IN = """#!/bin/sh
exec {python} -c "
import signal, sys
def end(*_):
    print('stopped', file=sys.stderr)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print('as the log says', file=sys.stderr, flush=True)
{rest}
while True:
    signal.pause()
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
    wishes = ["great_wave", "udnie", "great_wave-0.5+udnie-0.5", "great_wave-own_colors"]
    expected = {
        f"{photo}-{wish}.jpg"
        for photo in ("astronaut", "chelsea", "coffee", "rocket")
        for wish in wishes
    }
    assert {path.name for path in output.iterdir()} == expected | {"contact_sheet.jpg"}
    kept = ["keep_colors" in request.parameters for request in server.requests]
    assert kept == [False, False, False, True] * 4
    assert str(output / "contact_sheet.jpg") in shown
    assert "16 paintings" in shown
    assert "No movements: the server does not serve classify." in shown
    assert "No mended images: the server does not serve vae_encoder." in shown
    assert "No generated paintings: the server does not serve generate." in shown
    row = next(line for line in shown.splitlines() if "│ rocket" in line)
    total, queue, network, rest = row.replace("│", " ").split()[-4:]
    assert (queue, network) == ("1.0", "5.0")
    assert float(total) == pytest.approx(1 + 5 + float(rest), abs=0.2)
    with Image.open(output / "contact_sheet.jpg") as sheet:
        assert sheet.width > 5 * 256
        assert sheet.height > 4 * 192


def test_the_demo_of_an_autoencoder(server, tmp_path, capsys):
    server.autoencoder = Autoencoder()
    assert run(["demo", "--url", server.url, "--output", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert str(tmp_path / "mended.png") in shown
    with Image.open(tmp_path / "mended.png") as sheet:
        assert sheet.width > 6 * 256
    with Image.open(tmp_path / "morph.gif") as morph:
        assert morph.size == (SIDE, SIDE)
        assert morph.n_frames == 4 * 12


def test_the_demo_of_a_generator(server, tmp_path, capsys):
    server.generator = Generator()
    assert run(["demo", "--url", server.url, "--output", str(tmp_path)]) == 0
    assert f"New paintings: {tmp_path / 'generated.png'}" in capsys.readouterr().out
    with Image.open(tmp_path / "generated.png") as sheet:
        assert sheet.width > 6 * 256
        assert 3 * 192 < sheet.height < 4 * 192 + 60
        # What tells the movements of the fake apart, in the lower half of each painting.
        assert {(0, 0, 0), (50, 50, 50), (100, 100, 100)} <= colours(sheet.convert("RGB"))
    asked = [r for r in server.requests if r.model_name == "generate"]
    assert {r.raw_input_contents[1][4:].decode() for r in asked} == set(server.generator.movements)


def test_the_demo_of_twelve_styles_stays_short_and_its_sheet_viewable(server, tmp_path, capsys):
    server.style_names = ",".join(f"a_rather_long_name_{number}" for number in range(12))
    assert run(["demo", "--url", server.url, "--output", str(tmp_path)]) == 0
    assert len(capsys.readouterr().out.splitlines()) < 24
    assert len(list(tmp_path.glob("*_name_*.jpg"))) == 4 * 14
    with Image.open(tmp_path / "contact_sheet.jpg") as sheet:
        assert 2000 < sheet.width <= 2400
        assert sheet.height < sheet.width


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
        "import signal, sys\n"
        "from pathlib import Path\n"
        "from atelier._cli.served import own_server\n"
        f"sys.executable = {sys.executable!r}\n"
        f"with own_server(Path({str(tmp_path)!r}), Path({str(tmp_path / 'log')!r})):\n"
        "    print('ready', flush=True)\n"
        "    signal.pause()\n"
    )
    process = subprocess.Popen([python, "-c", code], stdout=subprocess.PIPE)
    with process:
        assert process.stdout.readline() == b"ready\n"
        process.kill()
    end = time.monotonic() + HANG_SECONDS
    while not (tmp_path / "log").read_text().endswith("stopped\n"):
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def hangup():
    """Sets what SIGHUP does, for the length of a test."""
    before = signal.getsignal(signal.SIGHUP)
    yield lambda handler: signal.signal(signal.SIGHUP, handler)
    signal.signal(signal.SIGHUP, before)


def test_the_demo_ends_with_its_terminal_unless_nohup_keeps_it(hangup):
    hangup(signal.SIG_DFL)
    with pytest.raises(SystemExit, match="129"), demo._ended_by_signals():
        os.kill(os.getpid(), signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
    hangup(signal.SIG_IGN)
    with demo._ended_by_signals():
        os.kill(os.getpid(), signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


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
    assert 'pip install "atelier-art[samples]"' in capsys.readouterr().err


def test_the_photographs_need_no_download():
    for photo in demo._sample_photos():
        with Image.open(photo) as image:
            image.load()
            assert min(image.size) >= 300


def colours(sheet: Image.Image) -> set[tuple[int, int, int]]:
    return {colour for _, colour in sheet.getcolors(maxcolors=1 << 16)}


def test_a_sheet_has_a_place_for_each_picture():
    red, blue = Image.new("RGB", (400, 100), "red"), Image.new("RGB", (100, 400), "blue")
    sheet = contact_sheet(["one", "two"], [("first", [red, blue]), ("second", [blue, red])])
    assert {(255, 0, 0), (0, 0, 255)} <= colours(sheet)
    half = sheet.crop((0, sheet.height // 2, sheet.width, sheet.height))
    assert {(255, 0, 0), (0, 0, 255)} <= colours(half)


@pytest.mark.parametrize(("count", "bands"), [(1, 1), (2, 1), (8, 1), (9, 2), (15, 2), (16, 3)])
def test_a_sheet_of_many_columns_goes_on_below_with_the_first_again(count, bands):
    shades = [(10 * number, 100, 200) for number in range(count)]
    pictures = [Image.new("RGB", (256, 192), shade) for shade in shades]
    sheet = contact_sheet([f"column {number}" for number in range(count)], [("row", pictures)])
    assert sheet.width <= 2400
    height = sheet.height // bands
    seen = [
        colours(sheet.crop((0, height * n, sheet.width, height * (n + 1)))) for n in range(bands)
    ]
    assert all(shades[0] in band for band in seen)
    assert [sum(shade in band for band in seen) for shade in shades[1:]] == [1] * (count - 1)


def test_a_long_name_stays_beside_its_row():
    sheet = contact_sheet([""], [("action_painting_1", [Image.new("RGB", (8, 8), "red")])])
    labels = np.asarray(sheet)[28:, :110]
    (inked,) = np.nonzero((labels != labels[0, 0]).any(axis=(0, 2)))
    assert 0 < inked.min() < inked.max() < 98


def test_a_long_name_stays_within_its_column():
    one, other = (Image.new("RGB", (8, 8), "red") for _ in range(2))
    sheet = contact_sheet(["", "w" * 30, ""], [("", [one, other, one])])
    labels = np.asarray(sheet)[:28]
    (inked,) = np.nonzero((labels != labels[0, 0]).any(axis=(0, 2)))
    assert inked.size
    assert inked.min() >= 110 + 268
    assert inked.max() < 110 + 268 + 256
