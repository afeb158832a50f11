"""The script for whoever has a GPU, as far as it goes in a moment without one."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def run(*arguments):
    environment = {**os.environ, "PYTHON": sys.executable, "PATH": "/usr/bin:/bin"}
    command = [ROOT / "bench" / "gpu.sh", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_a_rehearsal_says_what_it_is_and_what_it_left_out(tmp_path):
    output = tmp_path / "gpu.json"
    done = run("--rehearse", "--output", output, "machine", "tensorrt", "plan")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(output.read_text())
    assert report["rehearsal"] is True
    assert [*report["steps"]] == ["machine", "tensorrt", "plan"]
    assert "CPUExecutionProvider" in report["steps"]["machine"]["result"]["providers"]
    for name in ("tensorrt", "plan"):
        assert report["steps"][name]["result"] == {"skipped": "it needs a GPU"}


def test_a_step_that_there_is_not_is_named(tmp_path):
    done = run("--rehearse", "--output", tmp_path / "gpu.json", "paint")
    assert done.returncode == 2
    assert "there is no step paint" in done.stderr
