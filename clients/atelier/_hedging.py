"""When a request that takes long is sent to a second server as well; without I/O."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from atelier._retry_budget import RetryBudget
from atelier._transport import Request

PERCENTILE: Final = 0.95
REMEMBERED: Final = 128
"""Answers of each model, from which the percentile is taken."""
NEEDED: Final = 20
"""Of them, before there is one."""


class Hedging:
    """The latencies of recent answers and the budget, to be shared between threads.

    See Dean and Barroso, "The Tail at Scale", 2013: a second request after the 95th percentile adds
    5 % to the load at most. The budget of the retries bounds it where all requests take long.
    """

    def __init__(self, budget: RetryBudget) -> None:
        """Takes the budget that hedged requests share with retries."""
        self._budget = budget
        self._lock = threading.Lock()
        self._seconds: dict[str, deque[float]] = {}

    def __reduce__(self) -> tuple[Callable[..., "Hedging"], tuple[RetryBudget]]:
        return type(self), (self._budget,)

    def delay(self, request: Request) -> float | None:
        """Seconds after which a second request may help; None if nothing is known of the model."""
        with self._lock:
            seconds = sorted(self._seconds.get(request.model, ()))
        if request.method != "ModelInfer" or len(seconds) < NEEDED:
            return None
        return seconds[int(PERCENTILE * len(seconds))]

    def learn(self, request: Request, seconds: float) -> None:
        """Learns how long an answer took, from the first request on."""
        if request.method == "ModelInfer":
            with self._lock:
                recent = self._seconds.setdefault(request.model, deque(maxlen=REMEMBERED))
                recent.append(seconds)

    def spend(self) -> bool:
        """Takes a token of the budget for a second request; False if there is none."""
        return self._budget.spend()
