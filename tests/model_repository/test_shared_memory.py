"""Images that find no room in the shared memory between Triton and its models."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import shared_memory
from PIL import Image
from shared_memory import SharedMemoryError, check_room
from tritonclient.utils import InferenceServerException

from fakes.style_network import write_style, write_stylize
from fakes.triton import COMPLETE

MIB = 2**20
STYLES = {"great_wave": (1, 0)}


@pytest.fixture
def memory(tmp_path, monkeypatch):
    """A directory for shared memory with 10 MiB left."""
    free = SimpleNamespace(f_bavail=10, f_frsize=MIB)
    monkeypatch.setattr(shared_memory, "DIRECTORY", tmp_path)
    monkeypatch.setattr(shared_memory.os, "statvfs", lambda path: free)
    return tmp_path


def test_what_fits_passes(memory):
    check_room(3 * MIB)
    check_room(6 * MIB, 10 * MIB)  # 3 and 7 MiB more


def test_what_cannot_fit_is_told_with_both_sizes(memory):
    with pytest.raises(SharedMemoryError, match=r"needs 15 MiB .* has 10 MiB .*--shm-size"):
        check_room(9 * MIB, 12 * MIB)
    with pytest.raises(SharedMemoryError, match=r"needs 11 MiB"):
        check_room(MIB, 14 * MIB)


def test_memory_that_has_grown_is_used_again(memory):
    (memory / "region").touch()
    os.truncate(memory / "region", 8 * MIB)
    check_room(9 * MIB, 12 * MIB)


def test_without_the_directory_triton_decides(monkeypatch, tmp_path):
    monkeypatch.setattr(shared_memory, "DIRECTORY", tmp_path / "none")
    check_room(2**40)


SMALL = 'mount -t tmpfs -o size=40m tmpfs /dev/shm && exec "$@"'
IN_ITS_OWN = ["unshare", "--map-root-user", "--mount", "sh", "-c", SMALL, "sh"]


@pytest.fixture
def small(tmp_path):
    """The address and the log of a server with 40 MiB of shared memory."""
    if subprocess.run([*IN_ITS_OWN, "true"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a /dev/shm of his own")
    write_style(tmp_path / "models", STYLES)
    write_stylize(tmp_path / "models", STYLES)
    command = [sys.executable, "-m", "atelier", "serve", "--grpc-port=0", "--metrics-port=0"]
    command += [f"--model-repository={tmp_path / 'models'}", "--", COMPLETE]
    log = tmp_path / "log"
    with (
        log.open("w") as file,
        subprocess.Popen(
            [*IN_ITS_OWN, *command],
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
        ) as server,
    ):
        try:
            word, *addresses = server.stdout.readline().split()
            assert word == "ready", log.read_text()
            yield dict(address.split("=") for address in addresses)["grpc"], log
        finally:
            server.terminate()
        assert server.wait() == 0


def test_a_server_with_little_says_so_and_refuses_what_does_not_fit(small, connect, encoded, photo):
    url, log = small
    assert "MiB left of 40 MiB" in log.read_text()
    assert "(docker run --shm-size=1024m)" in log.read_text()
    large = encoded(Image.new("RGB", (4000, 3000), "teal"), "JPEG")
    with connect(url) as stylize:
        for options in ({"keep_colors": True}, {}):
            with pytest.raises(InferenceServerException, match="--shm-size") as refused:
                stylize(large, **options)
            assert refused.value.status() == "StatusCode.INVALID_ARGUMENT"
        assert stylize(large, longest_side=1000)
        assert stylize(encoded(photo, "JPEG"))
