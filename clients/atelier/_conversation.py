"""Several calls of which each depends on the responses before it, without I/O.

A conversation is a generator: it yields a call, is sent what was read from its response, and
returns the result. Both clients lead it, under one timeout for all of its calls.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from atelier._calls import Call

T = TypeVar("T")

Conversation: TypeAlias = Generator[Call[Any], Any, T]


@dataclass(frozen=True)
class Result(Generic[T]):
    """What a conversation returned."""

    value: T


def next_call(conversation: Conversation[T], response: object = None) -> Call[Any] | Result[T]:
    """Tells a conversation the last response (None at its start) and returns what comes next.

    The end is a value here: a StopIteration cannot leave a thread that asyncio waits for.
    """
    try:
        return conversation.send(response)
    except StopIteration as end:
        return Result(end.value)
