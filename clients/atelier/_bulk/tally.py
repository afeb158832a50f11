"""What a run has done so far."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Tally:
    """Counts of inputs.

    Attributes:
        computed: Results of the server.
        copied: Results of other inputs of the same content.
        skipped: Inputs that were finished before.
        failed: Inputs in errors.jsonl.
        pixels: Of the computed ones.
        total: How many inputs there are, once they are counted.
    """

    computed: int = 0
    copied: int = 0
    skipped: int = 0
    failed: int = 0
    pixels: int = 0
    total: int | None = None
    clock: Callable[[], float] = time.monotonic
    start: float = field(init=False)

    def __post_init__(self) -> None:
        self.start = self.clock()

    @property
    def done(self) -> int:
        """Inputs that were dealt with in this run, failed ones included."""
        return self.computed + self.copied + self.failed

    @property
    def seen(self) -> int:
        """Inputs that were dealt with or skipped."""
        return self.done + self.skipped

    @property
    def seconds(self) -> float:
        """Since the start."""
        return self.clock() - self.start

    def per_second(self, amount: float) -> float:
        """How much of it there was in a second."""
        return amount / self.seconds if self.seconds else 0.0
