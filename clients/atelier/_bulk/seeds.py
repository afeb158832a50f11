"""Sources that are seeds of the generator."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SeedSource:
    """A seed."""

    name: str

    def read(self) -> bytes:
        """See `Source`."""
        return self.name.encode()

    def stamp(self) -> str:
        """See `Source`."""
        return self.name


def seeds(numbers: range) -> Iterator[SeedSource]:
    """A source for each of these seeds."""
    return (SeedSource(str(seed)) for seed in numbers)
