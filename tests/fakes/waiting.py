"""Waiting for events."""

import time
from collections.abc import Callable
from typing import Any

HANG_SECONDS = 120
"""What has not happened by then never will. Nothing else follows from it."""


def until(happened: Callable[[], Any]) -> None:
    """Waits until something has happened, however long that takes on this machine."""
    end = time.monotonic() + HANG_SECONDS
    while not happened():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)
