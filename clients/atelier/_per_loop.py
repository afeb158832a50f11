"""What belongs to one event loop, for each loop in which a client is used."""

import asyncio
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class PerLoop(Generic[T]):
    """A value for each event loop, since one `asyncio.run` after another has a loop of its own.

    Args:
        make: Makes the value, in the loop; it must pickle where the client is to.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._values: dict[asyncio.AbstractEventLoop, T] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._make,)

    def here(self) -> T:
        """The value of the loop that runs; those of loops that are closed are let go."""
        loop = asyncio.get_running_loop()
        for other in [each for each in list(self._values) if each.is_closed()]:
            self._values.pop(other, None)
        if loop not in self._values:
            self._values[loop] = self._make()
        return self._values[loop]

    def pop(self) -> T | None:
        """Takes the value of the loop that runs, or None, and lets go of all others."""
        value = self._values.pop(asyncio.get_running_loop(), None)
        self._values.clear()
        return value
