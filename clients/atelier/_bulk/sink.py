"""Where the results go."""

from typing import Protocol


class Sink(Protocol):
    """Takes results. Threads share it.

    A receipt finds a result again, in a later run too; what is in it is the sink's own affair.
    """

    def write(self, name: str, data: bytes) -> bytes:
        """Writes a result, whole or not at all, and returns its receipt.

        Raises:
            OSError: It cannot be written.
        """

    def holds(self, receipt: bytes) -> bool:
        """Whether the result is still there."""

    def read(self, receipt: bytes) -> bytes:
        """A result that was written. Raises OSError where it is not there any more."""

    def finish(self) -> None:
        """Ends the run; what was written can be used now."""
