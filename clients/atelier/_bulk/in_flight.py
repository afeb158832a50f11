"""Work on many items beside each other, without holding all of them."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any, Final, TypeVar

Item = TypeVar("Item")
Finished = TypeVar("Finished")

_END: Final = object()


async def as_finished(
    items: AsyncIterator[Item],
    work: Callable[[Item], Awaitable[Finished]],
    room: Callable[[], int],
) -> AsyncGenerator[Finished, None]:
    """Yields what `work` makes of the items, in the order in which it ends.

    Args:
        items: The next one is fetched when there is room for it.
        work: Runs for several items at once. An error of it ends everything.
        room: How many items there may be between `items` and the caller at the moment.
    """
    working: set[asyncio.Task[Finished]] = set()
    fetching: asyncio.Task[Any] | None = None
    at_end = False
    try:
        while True:
            if fetching is None and not at_end and len(working) < room():
                fetching = asyncio.ensure_future(anext(items, _END))
            awaited: set[asyncio.Task[Any]] = {*working, *([fetching] if fetching else [])}
            if not awaited:
                return
            done, _ = await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
            if fetching in done:
                assert fetching is not None
                item, fetching = fetching.result(), None
                if item is _END:
                    at_end = True
                else:
                    working.add(asyncio.ensure_future(work(item)))
            for task in done & working:
                working.remove(task)
                yield task.result()
    finally:
        left = [*working, *([fetching] if fetching else [])]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
