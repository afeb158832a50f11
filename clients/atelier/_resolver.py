"""The addresses behind the names of servers, looked up again and again."""

import threading
import time
from collections.abc import Sequence
from typing import Final

from atelier._channel import resolved

FRESH_SECONDS: Final = 10.0
"""A name is looked up again after these, so that new servers behind it are found."""


class Resolver:
    """Looks names up in a thread, since the system's way to do so knows no deadline.

    Args:
        targets: gRPC targets, names and others.
    """

    def __init__(self, targets: Sequence[str]) -> None:
        self._given = targets
        self._found: dict[str, list[str]] = {}
        self._lock = threading.Lock()
        self._known = threading.Event()
        self._due_at = 0.0
        if not any(target.startswith("dns:///") for target in targets):
            self._due_at = float("inf")
            self._known.set()

    @property
    def known(self) -> bool:
        """Whether every name was looked up once."""
        return self._known.is_set()

    def wait(self, timeout: float | None) -> None:
        """Waits until every name was looked up once, or for so many seconds."""
        self._known.wait(timeout)

    def targets(self) -> list[str]:
        """One target for each address that is known; a name where none is."""
        with self._lock:
            due = time.monotonic() >= self._due_at
            if due:
                self._due_at = time.monotonic() + FRESH_SECONDS
        if due:
            threading.Thread(target=self._look_up, daemon=True).start()
        found = [each for target in self._given for each in self._found.get(target, [target])]
        return list(dict.fromkeys(found))

    def name_of(self, target: str) -> str:
        """The name, with its port, of which a target is one address; "" if it is none."""
        names = (given for given, found in list(self._found.items()) if target in found)
        given = next(names, target)
        return "" if given == target else given.removeprefix("dns:///")

    def _look_up(self) -> None:
        for target in self._given:
            try:
                self._found[target] = resolved(target)
            except OSError:
                continue  # What was known stays; without, gRPC says what is wrong with the name.
        self._known.set()
