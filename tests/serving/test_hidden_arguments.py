import os
import subprocess
import sys
from pathlib import Path

import pytest

from atelier_supervisor import hidden_arguments, supervise

SHOW = """
import os, pathlib, sys
variables = [name for name in os.environ if "HIDDEN" in name]
shown = pathlib.Path("/proc/self/cmdline").read_text().split(chr(0))[3:-1]
pathlib.Path(sys.argv[1]).write_text(repr((sys.argv[2:], shown, variables, os.environ["HOME"])))
"""


def test_the_program_gets_what_the_process_list_does_not_show(tmp_path):
    out = str(tmp_path / "out")
    hidden = ["--secret=one", "", "--secret=three é"]
    environment = {"HOME": "/somewhere", "PATH": os.environ["PATH"]}
    command = [sys.executable, "-c", SHOW, out, "--shown"]
    process = hidden_arguments.start(command, hidden, environment, lambda: None)
    assert process.wait() == 0
    shown = [out, "--shown", *["(hidden)"] * 3]
    assert Path(out).read_text() == repr((["--shown", *hidden], shown, [], "/somewhere"))


def test_where_a_process_cannot_be_traced_nothing_is_started(tmp_path, monkeypatch):
    monkeypatch.setattr(hidden_arguments, "_PTRACE_TRACEME", -1)
    marker = tmp_path / "marker"
    with pytest.raises(hidden_arguments.HidingError):
        hidden_arguments.start(["touch", str(marker)], ["--secret"], os.environ, lambda: None)
    assert not marker.exists()


def test_a_program_that_cannot_be_changed_is_ended(tmp_path, monkeypatch):
    started = []
    real = subprocess.Popen

    def note(*arguments, **settings):
        started.append(real(*arguments, **settings))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", note)
    monkeypatch.setattr(hidden_arguments, "_stack_of", lambda _pid: 0)
    with pytest.raises(hidden_arguments.HidingError):
        hidden_arguments.start(["sleep", "600"], ["--secret"], os.environ, lambda: None)
    assert started[0].poll() is not None


def test_tokens_are_rather_not_passed_than_shown(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(hidden_arguments, "_PTRACE_TRACEME", -1)
    marker = tmp_path / "marker"
    with pytest.raises(hidden_arguments.HidingError):
        supervise._start(supervise.Command(["touch"], [str(marker)], strict=True))
    assert not marker.exists()
    assert supervise._start(supervise.Command(["touch"], [str(marker)])).wait() == 0
    assert marker.exists()
    assert "warning: this system lets no process trace one" in capsys.readouterr().err
