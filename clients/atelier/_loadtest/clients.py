"""Who sends: this process, or several."""

from collections.abc import Callable
from typing import Protocol

from atelier._loadtest.loops import Send
from atelier._loadtest.measure import Drive, closed_drive, open_drive
from atelier._loadtest.profile import Moments


def never() -> bool:
    """Nothing ends a plan early."""
    return False


class Clients(Protocol):
    """What sends the requests of a workload."""

    def open_drive(self, planned: Moments, enough: Callable[[], bool] = never) -> Drive:
        """Sends each request when it is due, until `enough` says so."""

    def closed_drive(self, callers: int, seconds: float) -> Drive:
        """Has callers send a request each, and the next one when its response is there."""


class OneProcess:
    """This process."""

    def __init__(self, send: Send) -> None:
        self._send = send

    def open_drive(self, planned: Moments, enough: Callable[[], bool] = never) -> Drive:
        """See `Clients`."""
        return open_drive(self._send, planned, enough)

    def closed_drive(self, callers: int, seconds: float) -> Drive:
        """See `Clients`."""
        return closed_drive(self._send, callers, seconds)
