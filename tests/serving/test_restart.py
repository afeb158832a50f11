"""A Triton that dies, or that loses the process of a model, is started again."""

import os
import signal
import urllib.error
import urllib.request

import grpc
import pytest
from tritonclient.utils import InferenceServerException

from atelier_serving import CrashError
from fakes.waiting import HANG_SECONDS, until


def is_ready(server):
    try:
        with urllib.request.urlopen(f"http://{server.http_url}/v2/health/ready") as answer:
            return answer.status == 200
    except (urllib.error.URLError, ConnectionError):
        return False


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (signal.SIGSEGV, "restarting: Triton was ended by SIGSEGV"),
        (
            signal.SIGKILL,
            "restarting: Triton was ended by SIGKILL, perhaps for want of memory "
            "(the kernel's log tells: dmesg)",
        ),
    ],
    ids=["SIGSEGV", "SIGKILL"],
)
def test_a_triton_that_dies_is_started_again(start, send, infer, number, told):
    lines = []
    server = start(log=lines.append)
    address, first = server.grpc_url, server.pid
    held = send(address, server.metrics_url, 2)
    os.kill(first, number)
    for answer in held.answers:
        error = answer.exception(HANG_SECONDS)
        assert isinstance(error, InferenceServerException)
        assert error.status() == str(grpc.StatusCode.UNAVAILABLE)
    until(lambda: "restarted: every model is ready again" in lines)
    assert server.pid != first
    assert infer(address) == 0
    assert [line for line in lines if line.startswith("restarting")] == [told]
    server.stop()


@pytest.mark.parametrize(
    ("number", "end"),
    [
        (signal.SIGKILL, "was ended by SIGKILL, perhaps for want of memory"),
        (signal.SIGSTOP, "was stopped"),
    ],
    ids=["SIGKILL", "SIGSTOP"],
)
def test_a_process_of_a_model_that_dies_or_is_stopped_is_noticed(
    start, infer, processes, number, end
):
    lines = []
    server = start(log=lines.append, http_port=0)
    (*_, stub) = [
        pid for pid, name in processes(server.pid, 1).items() if name == "triton_python_b"
    ]
    os.kill(stub, number)
    until(lambda: not is_ready(server))
    until(lambda: is_ready(server))
    assert infer(server.grpc_url) == 0
    (told,) = [line for line in lines if line.startswith("restarting")]
    assert told.startswith("restarting: the process of model instance waiter_0_")
    assert end in told
    server.stop()


DIES_ON_THE_SECOND_START = """
import os
import signal
from pathlib import Path

STARTS = Path(__file__).with_name("starts")


class TritonPythonModel:
    def initialize(self, args):
        with STARTS.open("a") as starts:
            starts.write("started ")
        if STARTS.read_text() == "started started ":
            os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_start_that_fails_is_tried_again(start, tmp_path, write_model):
    lines = []
    server = start(write_model(tmp_path, "weak", DIES_ON_THE_SECOND_START), log=lines.append)
    os.kill(server.pid, signal.SIGSEGV)
    until(lambda: "restarted: every model is ready again" in lines)
    assert [line for line in lines if line.startswith("restarting")] == [
        "restarting: Triton was ended by SIGSEGV",
        "restarting: Triton ended with status 1",
    ]
    server.stop()


def test_a_triton_that_dies_again_and_again_is_given_up(start):
    server = start()
    for _ in range(4):
        dead = server.pid
        os.kill(dead, signal.SIGSEGV)
        until(lambda dead=dead: server.pid != dead)
    os.kill(server.pid, signal.SIGKILL)
    with pytest.raises(CrashError, match=r"Triton was ended by SIGKILL, .* 5 starts within 60 s"):
        server.wait(HANG_SECONDS)
    assert not server.running


def test_a_server_that_is_told_to_end_while_it_starts_again_ends_at_once(start):
    # The exit time-out is longer than the test waits.
    server = start(exit_timeout=600)
    dead = server.pid
    os.kill(dead, signal.SIGKILL)
    until(lambda: server.pid != dead)
    server.terminate()
    server.wait(HANG_SECONDS)
