"""What the tests of the load test share."""

import functools
import os
import signal

import pytest

from atelier._loadtest import workload
from atelier._loadtest.made_images import made_image


@pytest.fixture(scope="session", autouse=True)
def _images_are_made_once():
    """Has all workloads share the images that are made for them: a number is always one image."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workload, "made_image", functools.cache(made_image))
        yield


@pytest.fixture
def interrupt():
    """Presses Ctrl-C, once."""
    pressed = []

    def press():
        if not pressed:
            pressed.append(True)
            os.kill(os.getpid(), signal.SIGINT)

    return press
