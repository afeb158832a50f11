"""An event loop whose clock goes on by what is waited for, and by nothing else."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any


class _Selector(selectors.DefaultSelector):
    """Does not wait for time to pass: it lets it pass."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            return super().select()
        found = super().select(0)
        if not found:
            self.now += timeout
        return found


class SimulatedLoop(asyncio.SelectorEventLoop):
    """Runs an hour of sleeping at once, the same way each time."""

    def __init__(self) -> None:
        self._simulated = _Selector()
        super().__init__(self._simulated)

    def time(self) -> float:
        return self._simulated.now


def run_simulated(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Runs a coroutine in simulated time."""
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        return runner.run(coroutine)
