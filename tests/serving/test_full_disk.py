"""A disk for temporary files that is full."""

import os
import subprocess
import sys

import pytest

FULL = 'mount -t tmpfs -o size=64k tmpfs "$TMPDIR" && exec "$@"'
IN_ITS_OWN = ["unshare", "--map-root-user", "--mount", "sh", "-c", FULL, "sh"]


def test_it_is_told_with_the_folder_and_what_to_do(waiters, tmp_path):
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    if subprocess.run([*IN_ITS_OWN, "true"], env=environment, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a folder of his own")
    ended = subprocess.run(
        [*IN_ITS_OWN, sys.executable, "-m", "atelier", "serve", f"--model-repository={waiters}"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 1
    assert (
        f"Error: cannot prepare the server's directory {tmp_path}/atelier-serving-" in ended.stderr
    )
    assert "No space left on device; make room there, or set TMPDIR" in ended.stderr
    assert "Traceback" not in ended.stderr
