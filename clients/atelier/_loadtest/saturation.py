"""What a server does at most: a closed loop of more and more callers."""

from dataclasses import dataclass
from typing import Final

from atelier._loadtest.clients import Clients
from atelier._loadtest.loops import Outcome
from atelier._loadtest.measure import Window, measure
from atelier._loadtest.recording import Recording
from atelier._loadtest.summary import client_was_the_bottleneck
from atelier._loadtest.workload import Workload

_SECONDS: Final = 5.0
_WARMUP: Final = 1.0
_MORE: Final = 1.05
"""Twice the callers are to bring at least 5 % more."""
_MOST_CALLERS: Final = 512


@dataclass(frozen=True)
class Throughput:
    """A closed loop.

    Attributes:
        callers: How many requests were under way at any time.
        rate: Requests answered a second.
        client_was_the_bottleneck: Whether the client could send no more.
        interrupted: Whether somebody stopped it.
    """

    callers: int
    rate: float
    client_was_the_bottleneck: bool
    interrupted: bool


async def saturation(clients: Clients, workload: Workload) -> list[Throughput]:
    """Doubles the callers until that brings no more; the last but one, or the best, is the most."""
    found: list[Throughput] = []
    callers = 1
    while callers <= _MOST_CALLERS:
        found.append(await _throughput(clients, workload, callers))
        now = found[-1]
        if now.interrupted or now.rate == 0:
            break
        if len(found) > 1 and now.rate < _MORE * max(each.rate for each in found[:-1]):
            break
        callers *= 2
    return found


async def _throughput(clients: Clients, workload: Workload, callers: int) -> Throughput:
    answered = 0

    def watch(outcome: Outcome) -> None:
        nonlocal answered
        # By when it was done: all callers wait at both ends of this time.
        answered += not outcome.failure and _WARMUP <= outcome.done < _SECONDS

    recording = Recording(_SECONDS - _WARMUP, _WARMUP)
    drive = clients.closed_drive(callers, _SECONDS)
    sent = await measure(drive, workload, recording, Window(_SECONDS, _WARMUP), None, watch)
    return Throughput(
        callers,
        answered / (_SECONDS - _WARMUP),
        client_was_the_bottleneck(recording, sent),
        sent.interrupted,
    )
