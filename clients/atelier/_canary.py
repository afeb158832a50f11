"""A new version of a network for some, by a key that stays the same."""

from dataclasses import dataclass
from hashlib import blake2b


@dataclass(frozen=True)
class Canary:
    """Chooses a version by a key, the same for every process and machine.

    A share that grows takes new keys to the new version and sends none back.

    Example:
        >>> canary = Canary(new=2, share=0.1, old=1)
        >>> canary.version("user 3"), canary.version("user 5")
        (1, 2)
        >>> with Client("localhost:8001") as art:
        ...     art.stylize("photo.jpg", "udnie", network_version=canary.version("user 5"))

    Attributes:
        new: The version to try.
        share: 0 to 1: how many of the keys get it.
        old: The version for all others. None means what the server gives who asks for none.

    Raises:
        ValueError: The share is out of its range.
    """

    new: int
    share: float
    old: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"share {self.share} is not possible: give 0, for nobody, to 1")

    def version(self, key: str) -> int | None:
        """The version for a key, such as the name of a user or of a file."""
        digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        # Of 2^64 places on a line, the first ones are the share's.
        return self.new if int.from_bytes(digest) < self.share * 2**64 else self.old
