import os
import signal

import pytest

from atelier_serving.process import SupervisedProcess
from atelier_supervisor import remains


@pytest.fixture
def start(tmp_path):
    """Starts a command that goes on for long under its supervisor."""
    (tmp_path / "directory").mkdir()

    def run():
        return SupervisedProcess(
            ["sleep", "600"],
            environment=dict(os.environ),
            directory=tmp_path / "directory",
            shm_prefix=f"atelier_test_{os.getpid()}_",
            exit_timeout=1,
            http_address="127.0.0.1:1",
            headers={"closed": "to all"},
            log=lambda line: None,
        )

    return run


def test_after_a_killed_supervisor_the_rest_is_cleared_once(start, processes, monkeypatch):
    process = start()
    (supervising,) = [
        pid for pid in processes(os.getpid(), depth=1) if process.pid in processes(pid, depth=1)
    ]
    cleared = []
    clear = remains.clear

    def note(group, directory, shm_prefix):
        cleared.append(group)
        clear(group, directory, shm_prefix)

    monkeypatch.setattr(remains, "clear", note)
    os.kill(supervising, signal.SIGKILL)
    assert process.wait(30) == process.poll() == process.wait() == 128 + signal.SIGKILL
    assert cleared == [process.pid]


def test_a_start_that_is_interrupted_leaves_no_process(start, processes, tmp_path, monkeypatch):
    def interrupt(text):
        # The command runs by now: its number was just read.
        started.append(int(text))
        raise KeyboardInterrupt

    started = []
    monkeypatch.setattr("atelier_serving.process.int", interrupt, raising=False)
    with pytest.raises(KeyboardInterrupt):
        start()
    assert not set(started) & set(processes(1, depth=99))
    assert not (tmp_path / "directory").exists()


def test_it_is_started_again_until_it_died_five_times(start, tmp_path):
    process = start()
    process.restart_on_failure()
    pids = []
    while process.poll() is None:
        if process.pid not in pids:
            pids.append(process.pid)
            os.kill(process.pid, signal.SIGKILL)
    assert len(pids) == 5
    assert process.poll() == 128 + signal.SIGKILL
    assert process.tail[-1].startswith("not restarted: Triton was ended by SIGKILL")
    assert not (tmp_path / "directory").exists()


def test_what_dies_before_it_was_found_ready_is_not_started_again(start):
    process = start()
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait(30) == 128 + signal.SIGKILL
    assert process.tail == ()
