"""What the supervisor sees of the processes of the models."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from atelier_supervisor.stubs import Stubs
from fakes.waiting import until

ON_A_LOCK = "import threading; lock = threading.Lock(); lock.acquire(); lock.acquire()"
IN_SLEEP = "import time; time.sleep(600)"
AT_WORK = "while True: pass"
IN_ANOTHER_THREAD = f"""
import threading
def work():
    {AT_WORK}
threading.Thread(target=work, daemon=True).start()
{ON_A_LOCK}
"""


@pytest.fixture
def run(tmp_path):
    """Starts a child of this process that looks like a stub, and waits until it runs."""
    children = []

    def start(code, program="triton_python_backend_stub"):
        script = tmp_path / f"{len(children)}.py"
        script.write_text(f"print('runs', flush=True)\n{code}\n")
        executable = tmp_path / program
        if not executable.exists():
            executable.symlink_to(sys.executable)
        arguments = [str(executable), str(script), *"234567", "style_0_1"]
        child = subprocess.Popen(arguments, stdout=subprocess.PIPE)
        children.append(child)
        assert child.stdout.readline() == b"runs\n"
        return child

    yield start
    for child in children:
        child.kill()
        child.wait()
        child.stdout.close()


@pytest.fixture
def stubs():
    return Stubs(os.getpid())


def ended(child):
    """Whether a process has ended that nobody has waited for."""
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, child.pid, flags) is not None


def test_one_that_died_and_is_not_missed_is_told(stubs, run):
    child = run(IN_SLEEP)
    assert stubs.lost() is None
    child.send_signal(signal.SIGSEGV)
    until(lambda: ended(child))
    assert stubs.lost() is None  # its parent may be about to notice
    assert stubs.lost() == "the process of model instance style_0_1 was ended by SIGSEGV"


def test_one_that_died_before_it_was_seen_is_told_too(stubs, run):
    child = run(IN_SLEEP)
    child.kill()
    until(lambda: ended(child))
    assert stubs.lost() is None
    told = "the process of model instance unknown was ended by SIGKILL"
    assert stubs.lost().startswith(told)


def test_one_whose_end_was_noticed_is_not_told(stubs, run):
    child = run(IN_SLEEP)
    assert stubs.lost() is None
    child.kill()
    until(lambda: ended(child))
    assert stubs.lost() is None
    child.wait()
    assert stubs.lost() is None


def test_one_that_is_stopped_is_told(stubs, run):
    child = run(IN_SLEEP)
    child.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
    assert stubs.lost() == "the process of model instance style_0_1 was stopped"


def test_other_children_are_not_told(stubs, run):
    child = run(IN_SLEEP, program="python3")
    assert stubs.lost() is None
    child.kill()
    until(lambda: ended(child))
    assert [stubs.lost() for _ in range(3)] == [None] * 3


def test_those_that_wait_on_a_lock_are_idle(stubs, run):
    run(ON_A_LOCK)
    assert not stubs.are_idle()  # nothing is known of the time before
    until(stubs.are_idle)
    assert stubs.are_idle()


@pytest.mark.parametrize("code", [AT_WORK, IN_SLEEP], ids=["works", "sleeps"])
def test_one_that_works_or_waits_for_something_else_is_not_idle(stubs, run, code):
    run(ON_A_LOCK)
    until(stubs.are_idle)
    run(code)
    assert [stubs.are_idle() for _ in range(50)] == [False] * 50


def test_one_whose_other_threads_work_is_not_idle(stubs, run):
    child = run(IN_ANOTHER_THREAD)

    def ran():
        return int(Path(f"/proc/{child.pid}/stat").read_text().rpartition(") ")[2].split()[11])

    stubs.are_idle()
    for _ in range(5):
        before = ran()
        until(lambda before=before: ran() > before + 1)
        assert not stubs.are_idle()
