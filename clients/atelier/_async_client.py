"""The asynchronous client."""

# ruff: noqa: A002 - `format` is what a user of Pillow looks for.

import asyncio
import copy
import math
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Sequence
from contextlib import aclosing
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from atelier import (
    _autoencoder,
    _classify,
    _codec,
    _fill,
    _generator,
    _health,
    _latent_space,
    _statistics,
    _status,
    _stylize,
)
from atelier._access import Tls
from atelier._balanced_transport import async_transport_to
from atelier._base_client import BaseClient, Timeout
from atelier._bulk.limit import GradientLimit
from atelier._bulk.many import AnySource, BulkResult, encoded_results
from atelier._bulk.patience import Patience
from atelier._bulk.requests import Requests
from atelier._calls import Call
from atelier._classify import Classification
from atelier._compression import DEFAULT_STEP
from atelier._conversation import Conversation, Result, next_call
from atelier._errors import AtelierError
from atelier._fill import MaskSource
from atelier._images import EncodedImage, ImageFormat, ImageSource
from atelier._per_loop import PerLoop
from atelier._posterior import Posterior
from atelier._request_log import logged
from atelier._retry_policy import USE_CLIENT_DEFAULT, RetryPolicy
from atelier._statistics import ModelStatistics
from atelier._status import ServerStatus
from atelier._styles import Style
from atelier._tracing import traced
from atelier._transport import AsyncTransport, Request

T = TypeVar("T")


class AsyncClient(BaseClient):
    """The twin of `Client` for asyncio. Each event loop in which it is used has its connection.

    Reading files, encoding and decoding images and packing messages happen in threads, so that
    the loop stays free.

    Example:
        >>> async with AsyncClient("localhost:8001") as art:
        ...     names = await art.styles()
        ...     painting = await art.stylize("photo.jpg", style=names[0])
        >>> painting.save("painting.jpg")

    Args:
        url: As in `Client`.
        timeout: As in `Client`, from the moment that the call has its place among the calls in
            flight: how long it waits for that is up to the calls before it, not to the server.
        retries: As in `Client`.
        max_in_flight: How many calls may be under way at once in a loop, which bounds the memory
            of a caller that starts thousands of them; the others wait for a place.
        tls: As in `Client`.
        token: As in `Client`.
        bulk: As in `Client`. What works through many images, such as `stylize_many`, is bulk
            work in any client.
        hedge: As in `Client`.
        transport: As in `Client`.

    Raises:
        ValueError: As in `Client`, and the same for OSError.
    """

    def __init__(
        self,
        url: str | Sequence[str] = "localhost:8001",
        *,
        timeout: float | None = 30.0,
        retries: int | None = None,
        max_in_flight: int = 64,
        tls: bool | Tls | None = None,
        token: str | None = None,
        bulk: bool = False,
        hedge: bool = False,
        transport: AsyncTransport | None = None,
    ) -> None:
        super().__init__(url, timeout=timeout, retries=retries, bulk=bulk, hedge=hedge)
        if max_in_flight < 1:
            raise ValueError(f"max_in_flight {max_in_flight}: give 1 or more")
        self._max_in_flight = max_in_flight
        self._places = PerLoop(partial(asyncio.Semaphore, max_in_flight))
        self._transport = (
            async_transport_to(url, tls, token, self._hedging) if transport is None else transport
        )

    async def stylize(
        self,
        image: ImageSource,
        style: Style,
        *,
        strength: float = 1.0,
        keep_colors: bool = False,
        longest_side: int | None = None,
        format: ImageFormat | None = None,
        quality: int | None = None,
        network_version: int | None = None,
        timeout: Timeout = USE_CLIENT_DEFAULT,
    ) -> Image.Image:
        """Repaints an image in a style, as `Client.stylize` does."""
        parameters = _stylize.options(
            strength=strength,
            keep_colors=keep_colors,
            longest_side=longest_side,
            encoding=format,
            quality=quality,
            network_version=network_version,
        )
        return await self._converse(_stylize.stylize(image, style, parameters), timeout)

    async def stylize_encoded(
        self,
        image: ImageSource,
        style: Style,
        *,
        strength: float = 1.0,
        keep_colors: bool = False,
        longest_side: int | None = None,
        format: ImageFormat | None = None,
        quality: int | None = None,
        network_version: int | None = None,
        timeout: Timeout = USE_CLIENT_DEFAULT,
    ) -> bytes:
        """Repaints an image and returns it encoded, as `Client.stylize_encoded` does."""
        parameters = _stylize.options(
            strength=strength,
            keep_colors=keep_colors,
            longest_side=longest_side,
            encoding=format,
            quality=quality,
            network_version=network_version,
        )
        conversation = _stylize.stylize_encoded(image, style, parameters)
        return await self._converse(conversation, timeout)

    async def stylize_many(
        self,
        sources: Iterable[AnySource] | AsyncIterable[AnySource],
        style: Style,
        *,
        strength: float = 1.0,
        keep_colors: bool = False,
        longest_side: int | None = None,
        format: ImageFormat | None = None,
        quality: int | None = None,
        timeout: Timeout = USE_CLIENT_DEFAULT,
        patience: float | None = 60.0,
    ) -> AsyncGenerator[BulkResult[AnySource], None]:
        """Repaints images, and yields the results as they finish, each with its source.

        The number of requests in flight follows from the server's latency, up to `max_in_flight`,
        and the server answers other callers before them.
        So many images are in memory at once, however many there are. A source that fails does
        not end the others.

        Example:
            >>> async with AsyncClient("localhost:8001") as art:
            ...     async for result in art.stylize_many(Path("photos").glob("*.jpg"), "udnie"):
            ...         (Path("out") / result.source.name).write_bytes(result.encoded)

        Args:
            sources: Images as `stylize` takes them. The next is taken when there is room for it;
                that of an ordinary iterable in a thread.
            style: As in `Client.stylize`; so are the other options.
            strength: See there.
            keep_colors: See there.
            longest_side: See there.
            format: As in `Client.stylize_encoded`.
            quality: See there.
            timeout: Seconds for each request.
            patience: Seconds to wait for a server that answers nothing, because it restarts or has
                too much to do; None means for ever.

        Yields:
            A `BulkResult`; what failed has its `error` in place of an image.

        Raises:
            Unreachable: The server was away for longer than `patience`.
            Overloaded: It had too much to do for so long.
        """
        self._check_open()
        art = self._for_bulk()

        async def request(image: EncodedImage) -> bytes:
            return await art.stylize_encoded(
                image.data, style, strength=strength, keep_colors=keep_colors,
                longest_side=longest_side, format=format or image.reply, quality=quality,
                timeout=timeout,
            )  # fmt: skip

        seconds = math.inf if patience is None else patience
        requests = Requests(GradientLimit(self._max_in_flight), Patience(seconds))
        async with aclosing(encoded_results(sources, request, requests)) as results:
            async for result in results:
                yield result

    async def classify(
        self,
        image: ImageSource,
        top: int | None = 3,
        *,
        network_version: int | None = None,
        timeout: Timeout = USE_CLIENT_DEFAULT,
    ) -> Classification:
        """Says which movement and era an image belongs to, as `Client.classify` does."""
        return await self._converse(_classify.classify(image, top, network_version), timeout)

    async def encode(
        self, image: ImageSource, *, timeout: Timeout = USE_CLIENT_DEFAULT
    ) -> Posterior:
        """Encodes an image, as `Client.encode` does."""
        return await self._converse(_autoencoder.encode(image), timeout)

    async def decode(
        self,
        latent: npt.ArrayLike | Posterior,
        *,
        version: str = "",
        timeout: Timeout = USE_CLIENT_DEFAULT,
    ) -> Image.Image:
        """Decodes a latent, as `Client.decode` does."""
        return await self._converse(_autoencoder.decode(latent, version), timeout)

    async def reconstruct(
        self, image: ImageSource, *, timeout: Timeout = USE_CLIENT_DEFAULT
    ) -> Image.Image:
        """Encodes an image and decodes the mean, as `Client.reconstruct` does."""
        return await self._converse(_autoencoder.reconstruct(image), timeout)

    async def denoise(
        self, image: ImageSource, *, timeout: Timeout = USE_CLIENT_DEFAULT
    ) -> Image.Image:
        """Removes noise from an image, as `Client.denoise` does."""
        return await self.reconstruct(image, timeout=timeout)

    async def fill(
        self, image: ImageSource, mask: MaskSource, *, timeout: Timeout = USE_CLIENT_DEFAULT
    ) -> Image.Image:
        """Fills holes in an image, as `Client.fill` does."""
        return await self._converse(_fill.fill(image, mask), timeout)

    async def interpolate(
        self,
        first: ImageSource,
        second: ImageSource,
        frames: int = 24,
        *,
        timeout: Timeout = USE_CLIENT_DEFAULT,
    ) -> list[Image.Image]:
        """Turns one image into another, as `Client.interpolate` does."""
        conversation = _latent_space.interpolate(first, second, frames)
        return await self._converse(conversation, timeout)

    async def vary(
        self,
        image: ImageSource,
        count: int = 4,
        strength: float = 4.0,
        seed: int = 0,
        *,
        timeout: Timeout = USE_CLIENT_DEFAULT,
    ) -> list[Image.Image]:
        """Decodes samples of an image's posterior, as `Client.vary` does."""
        conversation = _latent_space.vary(image, count, strength, seed)
        return await self._converse(conversation, timeout)

    async def wander(
        self,
        image: ImageSource,
        frames: int = 24,
        strength: float = 4.0,
        seed: int = 0,
        *,
        timeout: Timeout = USE_CLIENT_DEFAULT,
    ) -> list[Image.Image]:
        """Goes round in a circle in latent space, as `Client.wander` does."""
        conversation = _latent_space.wander(image, frames, strength, seed)
        return await self._converse(conversation, timeout)

    async def compress(
        self,
        image: ImageSource,
        step: float = DEFAULT_STEP,
        *,
        timeout: Timeout = USE_CLIENT_DEFAULT,
    ) -> bytes:
        """Compresses an image, as `Client.compress` does."""
        return await self._converse(_codec.compress(image, step), timeout)

    async def decompress(
        self, data: bytes | bytearray | memoryview, *, timeout: Timeout = USE_CLIENT_DEFAULT
    ) -> Image.Image:
        """Decodes the image of an `.atl` file, as `Client.decompress` does."""
        return await self._converse(_codec.decompress(data), timeout)

    async def generate(
        self,
        count: int = 1,
        *,
        movement: str | None = None,
        seed: int | None = None,
        truncation: float | None = None,
        network_version: int | None = None,
        timeout: Timeout = USE_CLIENT_DEFAULT,
    ) -> list[Image.Image]:
        """Paints new images, as `Client.generate` does."""
        conversation = _generator.generate(count, movement, seed, truncation, network_version)
        return await self._converse(conversation, timeout)

    async def latents(
        self,
        count: int = 1,
        *,
        seed: int | None = None,
        truncation: float | None = None,
        timeout: Timeout = USE_CLIENT_DEFAULT,
    ) -> npt.NDArray[np.float32]:
        """Draws the latents that `generate` paints, as `Client.latents` does."""
        conversation = _generator.latents(count, seed, truncation)
        return await self._converse(conversation, timeout)

    async def paint(
        self,
        latents: npt.ArrayLike,
        *,
        movement: str,
        timeout: Timeout = USE_CLIENT_DEFAULT,
    ) -> list[Image.Image]:
        """Paints latents, as `Client.paint` does."""
        conversation = _generator.paint(latents, movement)
        return await self._converse(conversation, timeout)

    async def walk(
        self,
        seeds: Iterable[int],
        *,
        movement: str,
        steps: int = 16,
        truncation: float | None = None,
        timeout: Timeout = USE_CLIENT_DEFAULT,
    ) -> list[Image.Image]:
        """Paints the images between those of seeds, as `Client.walk` does."""
        conversation = _generator.walk(seeds, movement, steps, truncation)
        return await self._converse(conversation, timeout)

    async def movements(self, *, timeout: Timeout = USE_CLIENT_DEFAULT) -> list[str]:
        """The names of the movements in which `generate` paints."""
        return await self._converse(_generator.movements(), timeout)

    async def styles(self, *, timeout: Timeout = USE_CLIENT_DEFAULT) -> list[str]:
        """The names of the styles that the server has."""
        return await self._converse(_stylize.styles(), timeout)

    async def steps(self, model: str, *, timeout: Timeout = USE_CLIENT_DEFAULT) -> list[str]:
        """The models that a model calls, as `Client.steps` gives them."""
        return await self._converse(_statistics.steps(model), timeout)

    async def statistics(
        self, *, timeout: Timeout = USE_CLIENT_DEFAULT
    ) -> dict[str, ModelStatistics]:
        """What the server counted of each model, as `Client.statistics` gives it."""
        return await self._converse(_statistics.statistics(), timeout)

    async def wait_ready(self, timeout: float | None = 60.0, *, model: str = "stylize") -> None:
        """Waits until the server serves a model, as `Client.wait_ready` does."""
        await self._lead(_statistics.ready(model, self.url), self._patient_policy(timeout))

    async def health(self, wait: float = 0.0) -> list[str]:
        """Asks whether the server and its models are ready, as `Client.health` does."""
        return await self._lead(_health.health(self.url), self._health_policy(wait))

    async def status(self) -> ServerStatus:
        """Asks what the server is and what it has done, as `Client.status` does."""
        return await self._lead(_status.status(), self._health_policy(0))

    async def close(self) -> None:
        """Closes the connection; calls that are under way end with Unreachable."""
        self._closed = True
        await self._transport.close_async()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def _for_bulk(self) -> Self:
        """This client, on the same connection, with requests that come after those of others."""
        twin = copy.copy(self)
        twin._bulk = True
        return twin

    async def _converse(self, conversation: Conversation[T], timeout: Timeout) -> T:
        return await self._lead(conversation, self._retry_policy(timeout))

    async def _lead(self, conversation: Conversation[T], policy: RetryPolicy) -> T:
        time_limit = asyncio.timeout(None)
        with self._named(policy):
            try:
                async with self._places.here(), time_limit:
                    policy.start()
                    if (remaining := policy.remaining()) is not None:
                        time_limit.reschedule(asyncio.get_running_loop().time() + remaining)
                    step = await asyncio.to_thread(next_call, conversation)
                    while not isinstance(step, Result):
                        response = await self._response(step, policy)
                        step = await asyncio.to_thread(next_call, conversation, response)
                    return step.value
            except TimeoutError as error:
                if time_limit.expired():
                    raise policy.exceeded() from error
                raise

    async def _response(self, call: Call[T], policy: RetryPolicy) -> T:
        while True:
            try:
                response = await self._send(call, policy)
                answer = await asyncio.to_thread(call.read, response)
            except AtelierError as error:
                if self._closed:
                    raise
                failure = error
            else:
                policy.served()
                return answer
            for pause in policy.pauses_after(failure):
                await asyncio.sleep(pause)

    async def _send(self, call: Call[Any], policy: RetryPolicy) -> bytes:
        with self._attempt(call, policy):
            body = await asyncio.to_thread(
                call.request, policy.remaining(), policy.request_id, bulk=self._bulk
            )
            request = Request(call.method, call.model, body, policy.request_id, policy.tried)
            with logged(request), traced(request) as sent:
                return await self._transport.send_async(sent, policy.remaining())
