"""What the tests of the load test share."""

import os
import signal

import pytest


@pytest.fixture
def interrupt():
    """Presses Ctrl-C, once."""
    pressed = []

    def press():
        if not pressed:
            pressed.append(True)
            os.kill(os.getpid(), signal.SIGINT)

    return press
