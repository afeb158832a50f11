"""A caller's retries bridge the death of a model's process, as by the kernel's memory killer."""

import contextlib
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from atelier import Client
from fakes.style_network import IN_TWO_STYLES, write_style, write_stylize
from fakes.triton import serving


@pytest.fixture
def server(tmp_path):
    write_style(tmp_path, IN_TWO_STYLES)
    write_stylize(tmp_path, IN_TWO_STYLES)
    with serving(tmp_path) as running:
        yield running


def kill_processes_of(model, triton):
    killed = 0
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            arguments = file.with_name("cmdline").read_text().split("\0")
            parent = file.read_text().rpartition(")")[2].split()[1]
            if int(parent) == triton and any(each.startswith(f"{model}_0_") for each in arguments):
                os.kill(int(file.parent.name), signal.SIGKILL)
                killed += 1
    assert killed


def test_a_call_is_answered_although_a_process_has_just_died(server):
    pixels = np.random.default_rng(0).integers(0, 256, (67, 45, 3), dtype=np.uint8)
    with Client(server.grpc_url, timeout=120, retries=None) as art:
        for model in ("stylize", "style"):
            triton = server.pid
            kill_processes_of(model, triton)
            np.testing.assert_array_equal(np.asarray(art.stylize(pixels, "negative")), 255 - pixels)
            assert server.pid != triton
