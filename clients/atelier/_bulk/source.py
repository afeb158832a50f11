"""Where one input comes from."""

from typing import Protocol


class Source(Protocol):
    """One input of a run.

    Attributes:
        name: Its path relative to the input's root, with "/" between the parts. Bytes that are not
            UTF-8 are surrogates, as `os.fsdecode` makes them.
    """

    @property
    def name(self) -> str:
        """See the class."""

    def read(self) -> bytes:
        """The content. Raises OSError where it cannot be read."""

    def stamp(self) -> str | None:
        """What changes with the content and costs less than reading it, or None if nothing does.

        Raises OSError where the source is gone.
        """


def stamp_of(*parts: object) -> str:
    """A stamp of several facts."""
    return ":".join(map(str, parts))
