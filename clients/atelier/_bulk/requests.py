"""Requests to one server: as many at once as it can do with, repeated until it answers."""

import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import grpc

from atelier._bulk.limit import GradientLimit
from atelier._bulk.patience import Patience
from atelier._bulk.places import Places
from atelier._errors import (
    AtelierError,
    DeadlineExceeded,
    InvalidRequest,
    NotAllowed,
    Overloaded,
    ServerFailed,
    Unreachable,
)

Answer = TypeVar("Answer")

_ATTEMPTS: Final = 3
"""For an image on which the server fails or that takes too long, which may be the image's fault."""


class Requests:
    """What all requests of a run share.

    Args:
        limit: How many may be in flight.
        patience: How long the server may answer nothing.
        clock: Measures the latency.
    """

    def __init__(
        self,
        limit: GradientLimit,
        patience: Patience,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.limit = limit
        self.patience = patience
        self.places = Places(lambda: limit.value)
        self._clock = clock

    async def answer(self, request: Callable[[], Awaitable[Answer]], pixels: int) -> Answer:
        """The answer to a request.

        Args:
            request: Sends it; called again where another attempt may help.
            pixels: Of its image; 0 where unknown.

        Raises:
            AtelierError: The server refuses it, or failed on it several times.
            GaveUpError: The server answered nothing for too long.
        """
        attempt = 0
        while True:
            try:
                async with self.places.place():
                    in_flight, start = self.places.taken, self._clock()
                    answer = await request()
                    self.limit.answered(self._clock() - start, pixels, in_flight)
                self.patience.answered()
            except AtelierError as error:
                attempt += 1
                if isinstance(error, NotAllowed):
                    raise
                if isinstance(error, InvalidRequest) and not _is_missing_model(error):
                    self.patience.answered()
                    raise
                if isinstance(error, Unreachable):
                    if not error.another_attempt_may_help:
                        raise
                    self.limit.restarted()
                elif isinstance(error, Overloaded):
                    self.limit.refused()
                elif isinstance(error, DeadlineExceeded | ServerFailed):
                    self.limit.refused()
                    if attempt >= _ATTEMPTS:
                        raise
                await self.patience.wait_after(error, attempt)
            else:
                return answer


def _is_missing_model(error: AtelierError) -> bool:
    """Whether the model is not there, as for a moment in a server that stops or starts."""
    return error.code is grpc.StatusCode.NOT_FOUND
