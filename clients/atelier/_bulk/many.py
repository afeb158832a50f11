"""Results of very many images as they finish, each with its source."""

import asyncio
import io
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from PIL import Image

from atelier._bulk.in_flight import as_finished
from atelier._bulk.patience import GaveUpError
from atelier._bulk.requests import Requests
from atelier._errors import AtelierError
from atelier._images import EncodedImage, ImageSource, decoded_image, encoded_image

Item = TypeVar("Item")
AnySource = TypeVar("AnySource", bound=ImageSource)

AHEAD: Final = 4
"""How many images are read before there is a place for their requests, beyond twice the limit."""

_END: Final = object()


@dataclass(frozen=True)
class BulkResult(Generic[AnySource]):
    """What became of one source.

    Attributes:
        source: As it was given.
        error: Why there is no result: an AtelierError, an OSError where the source cannot be read,
            or a TypeError where it is no image source; None if there is one.
    """

    source: AnySource
    error: Exception | None
    _encoded: bytes

    @property
    def encoded(self) -> bytes:
        """The result as a file. Raises `error` if there is one."""
        if self.error is not None:
            raise self.error
        return self._encoded

    @property
    def image(self) -> Image.Image:
        """The result, decoded. Raises `error` if there is one."""
        return decoded_image(self.encoded)


async def encoded_results(
    sources: Iterable[AnySource] | AsyncIterable[AnySource],
    request: Callable[[EncodedImage], Awaitable[bytes]],
    requests: Requests,
) -> AsyncGenerator[BulkResult[AnySource], None]:
    """Yields a result for each source, in the order in which they finish.

    Args:
        sources: Read one by one, as there is room for them.
        request: Asks the server for one image.
        requests: What the requests share.

    Raises:
        AtelierError: The server answered nothing for too long.
    """

    async def result(source: AnySource) -> BulkResult[AnySource]:
        try:
            image, pixels = await asyncio.to_thread(_read, source)
            encoded = await requests.answer(lambda: request(image), pixels)
        except (AtelierError, OSError, TypeError) as error:
            return BulkResult(source, error, b"")
        return BulkResult(source, None, encoded)

    async with aclosing(in_loop(sources)) as items:
        finished = as_finished(items, result, lambda: 2 * requests.limit.value + AHEAD)
        async with aclosing(finished):
            try:
                async for each in finished:
                    yield each
            except GaveUpError as error:
                raise error.error from error


def pixels_of(data: bytes) -> int:
    """The number of pixels that an image's header speaks of, or 0 where it is not understood."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.width * image.height
    except Exception:  # Malformed bytes make Pillow raise almost anything; the server will say it.
        return 0


async def in_loop(items: Iterable[Item] | AsyncIterable[Item]) -> AsyncGenerator[Item, None]:
    """The items; the next of an ordinary iterable is waited for in a thread."""
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
        return
    iterator = await asyncio.to_thread(iter, items)
    while (found := await asyncio.to_thread(_next, iterator)) is not _END:
        yield found  # type: ignore[misc]


def _next(iterator: Iterator[Item]) -> Item | object:
    return next(iterator, _END)


def _read(source: ImageSource) -> tuple[EncodedImage, int]:
    image = encoded_image(source)
    return image, pixels_of(image.data)
