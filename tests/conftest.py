"""What holds for all tests."""

import signal


def pytest_configure() -> None:
    # A shell without job control has its background jobs ignore Ctrl-C, and whatever they start
    # does as well: tests that interrupt a process would wait in vain.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
