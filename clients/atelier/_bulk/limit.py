"""How many requests may be in flight, found out from the latency of the answers."""

from typing import Final

_TOLERANCE: Final = 1.5
"""How often the latency without load a request may take before the limit is lowered."""
_SMOOTHING: Final = 0.2
_DECREASE: Final = 0.7
"""What a refusal leaves of the limit."""


class GradientLimit:
    """The gradient limit of Netflix' concurrency-limits, with additive increase by the square root.

    With L the limit, t the latency of an answer and t0 the lowest one without load,

        gradient = min(1, max(0.5, tolerance * t0 / t))
        L <- L + smoothing * (gradient * L + sqrt(L) - L)

    so L grows as long as requests hardly wait for each other, and settles where some sqrt(L) of
    them queue. A refusal lowers it at once. See https://github.com/Netflix/concurrency-limits,
    `GradientLimit`; there, t0 is one number. Here it is one for each power of two of the number of
    pixels, since a large image takes its time on an idle server too.

    Args:
        ceiling: The limit's highest value.
    """

    def __init__(self, ceiling: int) -> None:
        self._ceiling = ceiling
        self._value = 1.0
        self._lowest: dict[int, float] = {}

    @property
    def value(self) -> int:
        """The limit, 1 or more."""
        return int(self._value)

    def answered(self, seconds: float, pixels: int, in_flight: int) -> None:
        """Learns from an answer.

        Args:
            seconds: Its latency.
            pixels: Of the image; 0 where unknown.
            in_flight: Requests that were in flight with it, itself included.
        """
        size = pixels.bit_length()
        lowest = self._lowest[size] = min(seconds, self._lowest.get(size, seconds))
        # What is not used says nothing about what would be too much.
        if in_flight < self.value:
            return
        gradient = min(1.0, max(0.5, _TOLERANCE * lowest / seconds)) if seconds else 1.0
        wanted = gradient * self._value + self._value**0.5
        value = self._value + _SMOOTHING * (wanted - self._value)
        self._value = min(max(value, 1.0), self._ceiling)

    def refused(self) -> None:
        """Learns that the server had too much to do."""
        self._value = max(1.0, self._value * _DECREASE)

    def restarted(self) -> None:
        """Learns that the server went away: what comes back may be another one."""
        self._value = 1.0
        self._lowest.clear()
