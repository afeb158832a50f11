"""What a server does at most: a closed loop of more and more callers."""

from dataclasses import dataclass
from typing import Final

from atelier._loadtest.clients import Clients
from atelier._loadtest.loops import Outcome
from atelier._loadtest.measure import Window, measure
from atelier._loadtest.recording import Recording
from atelier._loadtest.summary import client_was_the_bottleneck
from atelier._loadtest.workload import Workload

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


async def saturation(clients: Clients, workload: Workload, seconds: float) -> list[Throughput]:
    """Doubles the callers until that brings no more.

    Args:
        clients: Who sends.
        workload: What they send.
        seconds: How long each loop lasts, with its warm-up.
    """
    found: list[Throughput] = []
    callers = 1
    while callers <= _MOST_CALLERS:
        found.append(await _throughput(clients, workload, callers, seconds))
        now = found[-1]
        if now.interrupted or now.rate == 0:
            break
        if len(found) > 1 and now.rate < _MORE * max(each.rate for each in found[:-1]):
            break
        callers *= 2
    return found


async def _throughput(
    clients: Clients, workload: Workload, callers: int, seconds: float
) -> Throughput:
    answered = 0

    def watch(outcome: Outcome) -> None:
        nonlocal answered
        # By when it was done: all callers wait at both ends of this time.
        answered += not outcome.failure and _WARMUP <= outcome.done < seconds

    recording = Recording(seconds - _WARMUP, _WARMUP)
    drive = clients.closed_drive(callers, seconds)
    sent = await measure(drive, workload, recording, Window(seconds, _WARMUP), None, watch)
    return Throughput(
        callers,
        answered / (seconds - _WARMUP),
        client_was_the_bottleneck(recording, sent),
        sent.interrupted,
    )
