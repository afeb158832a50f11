"""However a server or its launcher dies: no process, no shared memory, no file stays."""

import os
import signal
import tempfile
from pathlib import Path

import pytest

from fakes.waiting import until


@pytest.fixture
def leftovers(processes):
    """Notes what belongs to `atelier serve`, and tells later what of it is still there."""

    def note(launcher):
        pids = processes(launcher)
        assert {"tritonserver", "triton_python_b"} <= set(pids.values())
        directories = set(Path(tempfile.gettempdir()).glob("atelier-serving-*"))
        own = {path for path in directories if _mentions(pids, path)}
        assert len(own) == 1

        def rest():
            return (
                [pid for pid in pids if _runs(pid)]
                + list(Path("/dev/shm").glob(f"atelier_{launcher}_*"))
                + [path for path in own if path.exists()]
            )

        assert any(isinstance(each, Path) and each.parent.name == "shm" for each in rest())
        return rest

    return note


def _mentions(pids, path):
    return any(str(path) in Path(f"/proc/{pid}/cmdline").read_text() for pid in pids)


def _runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # It ended, perhaps while it was read.
        return False


def test_after_the_launcher_was_killed(serve, waiters, leftovers):
    command = serve("--model-repository", waiters)
    command.ready()
    rest = leftovers(command.process.pid)
    command.process.kill()
    command.end()
    until(lambda: not rest())


def test_after_the_launcher_was_killed_under_load(serve, waiters, leftovers, send, drains):
    command = serve("--model-repository", waiters)
    urls = command.ready()
    rest = leftovers(command.process.pid)
    short = send(urls["grpc"], urls["metrics"], 2)
    endless = send(urls["grpc"], urls["metrics"], 2)
    command.process.kill()
    command.end()
    until(lambda: drains(urls["http"]))
    short.open()
    assert [answer.result() for answer in short.answers] == short.expected
    until(lambda: not rest())
    assert all(answer.exception() for answer in endless.answers)


def test_after_the_supervisor_was_killed(serve, waiters, leftovers, processes):
    command = serve("--model-repository", waiters)
    command.ready()
    rest = leftovers(command.process.pid)
    (pid,) = processes(command.process.pid, depth=1)
    os.kill(pid, signal.SIGKILL)
    assert command.end() == 1
    until(lambda: not rest())


def test_after_triton_was_killed_and_started_again(serve, waiters, leftovers, processes):
    command = serve("--model-repository", waiters)
    command.ready()
    before = leftovers(command.process.pid)
    pids = processes(command.process.pid)
    (triton,) = [pid for pid, name in pids.items() if name == "tritonserver"]
    regions = set(Path("/dev/shm").glob(f"atelier_{command.process.pid}_*"))
    os.kill(triton, signal.SIGKILL)
    until(lambda: "restarted" in command.log)
    assert regions.isdisjoint(Path("/dev/shm").iterdir())
    after = leftovers(command.process.pid)
    command.process.send_signal(signal.SIGTERM)
    assert command.end() == 0
    assert before() == after() == []


def test_after_ctrl_c(serve, waiters, leftovers):
    command = serve("--model-repository", waiters)
    command.ready()
    rest = leftovers(command.process.pid)
    command.process.send_signal(signal.SIGINT)
    assert command.end() == 0
    assert rest() == []
