"""Who runs on the cores, told apart by instances in this process: each has a file of its own."""

import contextlib
import subprocess
import sys

import pytest

from atelier_onnxruntime.cores import Cores

HOLD = """
import sys
from atelier_onnxruntime.cores import Cores
with Cores(sys.argv[1]).taken():
    print("taken", flush=True)
    input()
"""


@pytest.fixture
def file(tmp_path):
    """What the instances of a test share, and no server of another test."""
    path = tmp_path / "shared"
    path.touch()
    return path


def test_one_is_alone_again_and_again(file):
    cores = Cores(file)
    for _ in range(3):
        with cores.taken() as alone:
            assert alone


def test_those_that_begin_beside_another_are_not_alone(file):
    first, second, third = Cores(file), Cores(file), Cores(file)
    with first.taken() as alone:
        assert alone
        with second.taken() as alone, third.taken() as alone_too:
            assert not alone
            assert not alone_too
        with second.taken() as alone:
            assert not alone
    with second.taken() as alone:
        assert alone


def test_the_first_may_end_before_those_that_began_beside_it(file):
    first, second, third = Cores(file), Cores(file), Cores(file)
    outer, inner = first.taken(), second.taken()
    assert outer.__enter__()
    assert not inner.__enter__()
    outer.__exit__(None, None, None)
    with third.taken() as alone:
        assert not alone
    inner.__exit__(None, None, None)
    with third.taken() as alone:
        assert alone


def test_a_run_that_fails_lets_go(file):
    first, second = Cores(file), Cores(file)
    with contextlib.suppress(ZeroDivisionError), first.taken():
        1 / 0  # noqa: B018 - the fault of a run
    with second.taken() as alone:
        assert alone


def test_a_process_that_is_killed_lets_go(file):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"taken\n"
        cores = Cores(file)
        with cores.taken() as alone:
            assert not alone
        other.kill()
        other.wait()
        with cores.taken() as alone:
            assert alone
