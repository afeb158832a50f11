"""How long the network takes for a number of pixels, learnt from what it took."""

import threading

OF_THE_NEWEST = 0.1
AFTER_A_REFUSAL = 0.9
"""The factor of an estimate that had a request refused: one that is too high is never tried."""


class Pace:
    """Seconds for a pixel, as a mean in which the newest counts most; threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds_per_pixel = 0.0

    def learn(self, pixels: int, seconds: float) -> None:
        """Learns what a number of pixels took."""
        with self._lock:
            share = OF_THE_NEWEST if self._seconds_per_pixel else 1.0
            self._seconds_per_pixel += (seconds / pixels - self._seconds_per_pixel) * share

    def is_enough(self, seconds: float, pixels: int) -> bool:
        """Whether that many pixels are expected to take so many seconds at most."""
        with self._lock:
            if seconds >= self._seconds_per_pixel * pixels:
                return True
            self._seconds_per_pixel *= AFTER_A_REFUSAL
            return False
