"""What holds for all tests."""

import os
import signal

# PyTorch's threads wait for each other by spinning: when something else has one of the cores, each
# of the many small steps of a test waits for the scheduler, and takes ten times as long. Set before
# any conftest below imports PyTorch; the processes that tests start inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_configure() -> None:
    # A shell without job control has its background jobs ignore Ctrl-C, and whatever they start
    # does as well: tests that interrupt a process would wait in vain.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
