"""Several requests of which each depends on the answers before it, without I/O.

A conversation is a generator: it yields an exchange, is sent what was read from its answer, and
returns the result. Both clients lead it, under one timeout for all of its requests.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from atelier._messages import Exchange

Answer = TypeVar("Answer")

Conversation: TypeAlias = Generator[Exchange[Any], Any, Answer]


@dataclass(frozen=True)
class Result(Generic[Answer]):
    """What a conversation returned."""

    value: Answer


def next_exchange(
    conversation: Conversation[Answer], answer: object = None
) -> Exchange[Any] | Result[Answer]:
    """Tells a conversation the last answer (None at its start) and returns what comes next.

    The end is a value here: a StopIteration cannot leave a thread that asyncio waits for.
    """
    try:
        return conversation.send(answer)
    except StopIteration as end:
        return Result(end.value)


def single(build: Callable[[], Exchange[Answer]]) -> Conversation[Answer]:
    """A conversation of the one exchange that `build` makes."""
    answer: Answer = yield build()
    return answer
