"""The synchronous client."""

# ruff: noqa: A002 - `format` is what a user of Pillow looks for.

import time
from collections.abc import Iterable, Sequence
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
from atelier._balanced_transport import transport_to
from atelier._base_client import BaseClient, Timeout
from atelier._calls import Call
from atelier._classify import Classification
from atelier._compression import DEFAULT_STEP
from atelier._conversation import Conversation, Result, next_call
from atelier._errors import AtelierError
from atelier._fill import MaskSource
from atelier._images import ImageFormat, ImageSource
from atelier._posterior import Posterior
from atelier._request_log import logged
from atelier._retry_policy import USE_CLIENT_DEFAULT, RetryPolicy
from atelier._statistics import ModelStatistics
from atelier._status import ServerStatus
from atelier._styles import Style
from atelier._tracing import traced
from atelier._transport import Request, Transport

T = TypeVar("T")


class Client(BaseClient):
    """A connection to an Atelier server, or to several, to be shared between threads.

    It connects with the first call and again whenever the connection is lost, so that making one
    costs nothing and needs no server. Make it after a fork, never before: gRPC survives none.

    Example:
        >>> with Client("localhost:8001") as art:
        ...     names = art.styles()
        ...     painting = art.stylize("photo.jpg", style=names[0])
        >>> painting.save("painting.jpg")

    Args:
        url: The server's gRPC port as `HOST:PORT`, or those of several servers, in a sequence or
            with commas between them. Requests go to the one with the least in flight, of these and
            of every address that a name has; a server that fails is set aside until it answers.
        timeout: Seconds for a whole call: connecting, waiting in the server's queue, computing,
            and trying again. None means no limit.
        retries: How often a call is tried again when the server cannot be reached or is
            overloaded: at another server, or after short pauses. None means as long as the timeout
            allows, so that the restart of a server loses nothing; without a timeout, that is for
            ever.
        tls: Whether to talk to the server in TLS, True or a `Tls`; False: in the clear. None means
            that the environment says it, as it does for the command line: ATELIER_TLS=1, or
            ATELIER_TLS_CA, ATELIER_TLS_KEY and ATELIER_TLS_CERTIFICATE with the files of a `Tls`.
        token: What a server that asks for one is shown with each request; "": nothing. None means
            that of ATELIER_TOKEN, or of the file that ATELIER_TOKEN_FILE names.
        bulk: Whether its requests may wait: they come after those of all other clients.
        hedge: Whether a request that takes longer than 95 % of the recent ones to its model is sent
            to a second server as well; the first answer counts. With one server, it means nothing.
        transport: What carries the requests. None means a gRPC channel to `url`; tests of your own
            code give an `atelier.testing.MockTransport`.

    Raises:
        ValueError: A setting is out of its range, or a file for `tls` or `token` is no such file.
        OSError: Such a file cannot be read.
    """

    def __init__(
        self,
        url: str | Sequence[str] = "localhost:8001",
        *,
        timeout: float | None = 30.0,
        retries: int | None = None,
        tls: bool | Tls | None = None,
        token: str | None = None,
        bulk: bool = False,
        hedge: bool = False,
        transport: Transport | None = None,
    ) -> None:
        super().__init__(url, timeout=timeout, retries=retries, bulk=bulk, hedge=hedge)
        self._transport = (
            transport_to(url, tls, token, self._hedging) if transport is None else transport
        )

    def stylize(
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
        """Repaints an image in a style.

        Args:
            image: A path (str or Path), an encoded image (bytes or a binary file), a PIL image,
                or a uint8 array of shape (H, W, 3), (H, W, 4) or (H, W). JPEG, PNG and WebP files
                are sent as they are; everything else is encoded without loss first.
            style: A style's name, a mix as text ("great_wave:0.7,udnie:0.3") or as a dict.
            strength: 0 to 2: how far from the photograph, 0, to the style, 1, and beyond it.
            keep_colors: Whether to keep the photograph's colours and take only the style's strokes.
            longest_side: The size in pixels, 16 or more, at which the image is painted; it comes
                back in its own. Smaller is quicker and makes larger strokes. None means the
                image's own size, or the largest that the network takes.
            format: How the pixels travel back. None means without loss, so that they are the
                network's own; "jpeg" is quicker on a slow network.
            quality: 1 to 100, for "jpeg" and "webp".
            network_version: The version of the network, of those that are served; None means the
                server's choice, the newest. See `Canary`.
            timeout: Seconds for this call, or None for no limit, in place of the client's.

        Returns:
            The painting, in mode RGB and of the image's size, wholly in memory. Where the image
            has a colour profile for RGB, the painting has it too: `info["icc_profile"]`.
            `info["network_version"]` is the version of the network, where the server tells.

        Raises:
            InvalidRequest: The image, the style or an option is wrong.
            Overloaded: The server's queue is full.
            DeadlineExceeded: The timeout passed.
            Unreachable: No server answered, or the model is unavailable for the moment.
            ServerFailed: The server failed.
            OSError: The file cannot be read.
            TypeError: `image` is none of the kinds above.
        """
        parameters = _stylize.options(
            strength=strength,
            keep_colors=keep_colors,
            longest_side=longest_side,
            encoding=format,
            quality=quality,
            network_version=network_version,
        )
        return self._converse(_stylize.stylize(image, style, parameters), timeout)

    def stylize_encoded(
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
        """Repaints an image as `stylize` does, and returns it as the file that the server made.

        Args:
            image: As in `stylize`.
            style: As in `stylize`.
            strength: As in `stylize`.
            keep_colors: As in `stylize`.
            longest_side: As in `stylize`.
            format: The file's format. None means that of the file sent, and "png" where the
                image was no JPEG, PNG or WebP file.
            quality: 1 to 100, for "jpeg" and "webp". None means the server's own, 95 for JPEG.
            network_version: As in `stylize`.
            timeout: As in `stylize`.

        Returns:
            A JPEG, PNG or WebP file, with the colour profile of the image.

        Raises:
            AtelierError: As in `stylize`, and the same for OSError and TypeError.
        """
        parameters = _stylize.options(
            strength=strength,
            keep_colors=keep_colors,
            longest_side=longest_side,
            encoding=format,
            quality=quality,
            network_version=network_version,
        )
        conversation = _stylize.stylize_encoded(image, style, parameters)
        return self._converse(conversation, timeout)

    def classify(
        self,
        image: ImageSource,
        top: int | None = 3,
        *,
        network_version: int | None = None,
        timeout: Timeout = USE_CLIENT_DEFAULT,
    ) -> Classification:
        """Says which movement and era of painting an image belongs to.

        Example:
            >>> with Client("localhost:8001") as art:
            ...     found = art.classify("photo.jpg", top=3)
            >>> for label in found.movements:
            ...     print(f"{label.name} {label.probability:.0%}")

        Args:
            image: As in `stylize`; each side at least 16 pixels.
            top: How many movements to give, from 1 to as many as the server has. None means all.
            network_version: As in `stylize`.
            timeout: As in `stylize`.

        Returns:
            The `top` most probable movements and all eras, each by falling probability.

        Raises:
            InvalidRequest: The image is wrong, `top` is out of its range, or the server does not
                serve `classify` (`code` is NOT_FOUND then).
            AtelierError: As in `stylize`, and the same for OSError.
            TypeError: `image` is none of the kinds above, or `top` is no whole number.
        """
        return self._converse(_classify.classify(image, top, network_version), timeout)

    def encode(self, image: ImageSource, *, timeout: Timeout = USE_CLIENT_DEFAULT) -> Posterior:
        """Encodes an image as a latent of the server's variational autoencoder.

        The whole image is fitted to the square of N×N pixels that the network takes.

        Args:
            image: As in `stylize`, in any format that Pillow decodes; each side at least 16 pixels.
            timeout: As in `stylize`, for all requests together.

        Returns:
            The posterior: `mean` is the latent to take.

        Raises:
            InvalidRequest: The image is wrong, or the server does not serve `vae_encoder` (`code`
                is NOT_FOUND then).
            AtelierError: As in `stylize`, and the same for OSError and TypeError.
        """
        return self._converse(_autoencoder.encode(image), timeout)

    def decode(
        self,
        latent: npt.ArrayLike | Posterior,
        *,
        version: str = "",
        timeout: Timeout = USE_CLIENT_DEFAULT,
    ) -> Image.Image:
        """Decodes a latent.

        Args:
            latent: A posterior, of which the mean is taken, or (L,) finite numbers.
            version: The version of `vae_decoder`. "" means the newest, or that of the posterior.
            timeout: As in `encode`.

        Returns:
            The image of N×N pixels, in mode RGB.

        Raises:
            InvalidRequest: The latent is not L finite numbers, or the server does not serve this
                version of `vae_decoder`.
            AtelierError: As in `stylize`.
        """
        return self._converse(_autoencoder.decode(latent, version), timeout)

    def reconstruct(
        self, image: ImageSource, *, timeout: Timeout = USE_CLIENT_DEFAULT
    ) -> Image.Image:
        """Encodes an image and decodes the mean of its posterior.

        Args:
            image: As in `encode`; the whole image is fitted to the square of N×N pixels.
            timeout: As in `encode`.

        Returns:
            The image of N×N pixels, in mode RGB.

        Raises:
            AtelierError: As in `encode`, and the same for OSError and TypeError.
        """
        return self._converse(_autoencoder.reconstruct(image), timeout)

    def denoise(self, image: ImageSource, *, timeout: Timeout = USE_CLIENT_DEFAULT) -> Image.Image:
        """Removes noise from an image.

        The network learnt to rebuild clean images from noisy ones, so that this is `reconstruct`.

        Args:
            image: As in `encode`; the whole image is fitted to the square of N×N pixels. The
                network has seen Gaussian noise of a standard deviation up to 50 of 255.
            timeout: As in `encode`.

        Returns:
            The image of N×N pixels, in mode RGB.

        Raises:
            AtelierError: As in `encode`, and the same for OSError and TypeError.
        """
        return self.reconstruct(image, timeout=timeout)

    def fill(
        self, image: ImageSource, mask: MaskSource, *, timeout: Timeout = USE_CLIENT_DEFAULT
    ) -> Image.Image:
        """Fills holes in an image.

        The network sees a square window around the holes, three times as wide as they are.

        Args:
            image: As in `encode`, of any size.
            mask: An image of the same size, white (128 or more) where the holes are, or a bool
                array (H, W) that is true there.
            timeout: As in `encode`.

        Returns:
            The image in its own size, in mode RGB. Outside the holes, no value changes.

        Raises:
            InvalidRequest: The image or the mask is wrong: the mask has another size, or is white
                nowhere or everywhere.
            AtelierError: As in `encode`, and the same for OSError and TypeError.
        """
        return self._converse(_fill.fill(image, mask), timeout)

    def interpolate(
        self,
        first: ImageSource,
        second: ImageSource,
        frames: int = 24,
        *,
        timeout: Timeout = USE_CLIENT_DEFAULT,
    ) -> list[Image.Image]:
        """Turns one image into another, on a straight line between their latents.

        Args:
            first: As in `encode`.
            second: As in `encode`.
            frames: How many images, 2 to 10,000; the reconstructions of both ends are the first and
                the last of them.
            timeout: As in `encode`.

        Returns:
            Images of N×N pixels, in mode RGB.

        Raises:
            InvalidRequest: As in `encode`; or `frames` is out of its range.
            AtelierError: As in `encode`, and the same for OSError and TypeError.
        """
        conversation = _latent_space.interpolate(first, second, frames)
        return self._converse(conversation, timeout)

    def vary(
        self,
        image: ImageSource,
        count: int = 4,
        strength: float = 4.0,
        seed: int = 0,
        *,
        timeout: Timeout = USE_CLIENT_DEFAULT,
    ) -> list[Image.Image]:
        """Decodes random samples of an image's posterior.

        Args:
            image: As in `encode`.
            count: How many images, 1 to 10,000.
            strength: 0 to 100, the factor of the posterior's deviation. 0 is the reconstruction, 1
                what the network takes for the same image; more changes it.
            seed: 0 or more; the same seed gives the same samples.
            timeout: As in `encode`.

        Returns:
            Images of N×N pixels, in mode RGB.

        Raises:
            InvalidRequest: As in `encode`; or `count`, `strength` or `seed` is out of its range.
            AtelierError: As in `encode`, and the same for OSError and TypeError.
        """
        conversation = _latent_space.vary(image, count, strength, seed)
        return self._converse(conversation, timeout)

    def wander(
        self,
        image: ImageSource,
        frames: int = 24,
        strength: float = 4.0,
        seed: int = 0,
        *,
        timeout: Timeout = USE_CLIENT_DEFAULT,
    ) -> list[Image.Image]:
        """Goes round in a circle in latent space that begins and ends at an image.

        Args:
            image: As in `encode`.
            frames: How many images, 3 to 10,000; the first and the last are the reconstruction.
            strength: 0 to 100, the radius: 1 is as far as a sample of the posterior is away.
            seed: 0 or more; the plane of the circle is drawn from it.
            timeout: As in `encode`.

        Returns:
            Images of N×N pixels, in mode RGB.

        Raises:
            InvalidRequest: As in `encode`; or `frames`, `strength` or `seed` is out of its range.
            AtelierError: As in `encode`, and the same for OSError and TypeError.
        """
        conversation = _latent_space.wander(image, frames, strength, seed)
        return self._converse(conversation, timeout)

    def compress(
        self,
        image: ImageSource,
        step: float = DEFAULT_STEP,
        *,
        timeout: Timeout = USE_CLIENT_DEFAULT,
    ) -> bytes:
        """Compresses an image: its latent, quantised to 8 bits and entropy-coded.

        Needs the extra `compress`.

        Example:
            >>> with Client("localhost:8001") as art:
            ...     data = art.compress("photo.jpg")
            ...     image = art.decompress(data)

        Args:
            image: As in `encode`; the whole image is fitted to the square of N×N pixels.
            step: 1/64 to 16, the distance between two quantised numbers of the latent, whose prior
                has the standard deviation 1. Larger makes smaller files, and worse images.
            timeout: As in `encode`.

        Returns:
            An `.atl` file. Only the version of the models that made it reads it.

        Raises:
            InvalidRequest: As in `encode`; or `step` is out of its range, or the latent has more
                than 2**20 numbers.
            ModuleNotFoundError: The module `constriction` is not installed.
            AtelierError: As in `encode`, and the same for OSError and TypeError.
        """
        return self._converse(_codec.compress(image, step), timeout)

    def decompress(
        self, data: bytes | bytearray | memoryview, *, timeout: Timeout = USE_CLIENT_DEFAULT
    ) -> Image.Image:
        """Decodes the image of an `.atl` file.

        Args:
            data: What `compress` returned.
            timeout: As in `encode`.

        Returns:
            The image of N×N pixels, in mode RGB. `info["original_size"]` is the width and height
            that it had before it was compressed.

        Raises:
            InvalidRequest: `data` is no `.atl` file or is damaged, or the server does not serve the
                version of `vae_decoder` that belongs to it.
            ModuleNotFoundError: The module `constriction` is not installed.
            AtelierError: As in `stylize`.
            TypeError: `data` is not bytes.
        """
        return self._converse(_codec.decompress(data), timeout)

    def generate(
        self,
        count: int = 1,
        *,
        movement: str | None = None,
        seed: int | None = None,
        truncation: float | None = None,
        network_version: int | None = None,
        timeout: Timeout = USE_CLIENT_DEFAULT,
    ) -> list[Image.Image]:
        """Paints new images.

        Example:
            >>> with Client("localhost:8001") as art:
            ...     images = art.generate(16, movement="ukiyo_e", seed=7)
            >>> images[0].save("ukiyo_e.png")

        Args:
            count: How many images, 1 to 10,000.
            movement: One of `movements`, in any case, with spaces or hyphens too. None means that
                each image has one of its own, drawn from the seed.
            seed: 0 to 2**63 - 1. Image i of a seed is the same for every count. None means new
                images with each call.
            truncation: Above 0, up to 4: how far the numbers of a latent may be from 0, in standard
                deviations. Less gives more typical images, which resemble each other more. None
                means the server's own.
            network_version: As in `stylize`. Another version paints other images of a seed.
            timeout: As in `stylize`, for all requests together.

        Returns:
            Images of N×N pixels, in mode RGB. `info["network_version"]` as in `stylize`.

        Raises:
            InvalidRequest: An argument is out of its range, the server does not know the movement,
                or it does not serve `generate` (`code` is NOT_FOUND then).
            AtelierError: As in `stylize`.
            TypeError: An argument is of another type.
        """
        conversation = _generator.generate(count, movement, seed, truncation, network_version)
        return self._converse(conversation, timeout)

    def latents(
        self,
        count: int = 1,
        *,
        seed: int | None = None,
        truncation: float | None = None,
        timeout: Timeout = USE_CLIENT_DEFAULT,
    ) -> npt.NDArray[np.float32]:
        """Draws the latents that `generate` paints.

        Args:
            count: As in `generate`.
            seed: As in `generate`.
            truncation: As in `generate`.
            timeout: As in `generate`.

        Returns:
            (count, Z) float32, each row a latent for `paint`.

        Raises:
            AtelierError: As in `generate`, and the same for TypeError.
        """
        conversation = _generator.latents(count, seed, truncation)
        return self._converse(conversation, timeout)

    def paint(
        self,
        latents: npt.ArrayLike,
        *,
        movement: str,
        timeout: Timeout = USE_CLIENT_DEFAULT,
    ) -> list[Image.Image]:
        """Paints latents, those of `latents` or others.

        Example:
            >>> with Client("localhost:8001") as art:
            ...     latents = art.latents(4, seed=7)
            ...     images = art.paint((latents[:2] + latents[2:]) / 2**0.5, movement="cubism")

        Args:
            latents: (n, Z) finite numbers; n is 1 to 10,000.
            movement: As in `generate`.
            timeout: As in `generate`.

        Returns:
            n images of N×N pixels, in mode RGB.

        Raises:
            InvalidRequest: As in `generate`; or the latents are not n times Z finite numbers.
            AtelierError: As in `generate`, and the same for TypeError.
        """
        conversation = _generator.paint(latents, movement)
        return self._converse(conversation, timeout)

    def walk(
        self,
        seeds: Iterable[int],
        *,
        movement: str,
        steps: int = 16,
        truncation: float | None = None,
        timeout: Timeout = USE_CLIENT_DEFAULT,
    ) -> list[Image.Image]:
        """Paints the images between those of seeds, on arcs from each latent to the next.

        Args:
            seeds: Two or more, each as in `generate`, of which the first image is taken. The first
                seed once more at the end closes the walk.
            movement: As in `generate`.
            steps: How many images an arc has, 2 or more, with both ends. Where two arcs meet, the
                image is there once: (len(seeds) - 1) * (steps - 1) + 1 images, 10,000 at most.
            truncation: As in `generate`.
            timeout: As in `generate`.

        Returns:
            Images of N×N pixels, in mode RGB.

        Raises:
            AtelierError: As in `generate`, and the same for TypeError.
        """
        conversation = _generator.walk(seeds, movement, steps, truncation)
        return self._converse(conversation, timeout)

    def movements(self, *, timeout: Timeout = USE_CLIENT_DEFAULT) -> list[str]:
        """The names of the movements in which `generate` paints."""
        return self._converse(_generator.movements(), timeout)

    def styles(self, *, timeout: Timeout = USE_CLIENT_DEFAULT) -> list[str]:
        """The names of the styles that the server has."""
        return self._converse(_stylize.styles(), timeout)

    def steps(self, model: str, *, timeout: Timeout = USE_CLIENT_DEFAULT) -> list[str]:
        """The models that a model such as `stylize` calls: of an ensemble, its steps in order."""
        return self._converse(_statistics.steps(model), timeout)

    def statistics(self, *, timeout: Timeout = USE_CLIENT_DEFAULT) -> dict[str, ModelStatistics]:
        """What the server counted of each model, by the model's name."""
        return self._converse(_statistics.statistics(), timeout)

    def wait_ready(self, timeout: float | None = 60.0, *, model: str = "stylize") -> None:
        """Waits until the server is there and serves a model.

        Args:
            timeout: Seconds to wait, or None for as long as it takes.
            model: The model, such as "classify", "generate" or "vae_decoder".

        Raises:
            Unreachable: It did not serve it in time; the message says why.
            DeadlineExceeded: The server took the last question and did not answer it in time.
        """
        self._lead(_statistics.ready(model, self.url), self._patient_policy(timeout))

    def health(self, wait: float = 0.0) -> list[str]:
        """Asks whether the server lives, is ready, and has every model ready.

        Args:
            wait: Seconds to wait until it is, 0 or more; 0 asks once, within the client's timeout.

        Returns:
            The names of the models.

        Raises:
            Unreachable: It is not; the message says what is missing.
            AtelierError: As in `stylize`.
        """
        return self._lead(_health.health(self.url), self._health_policy(wait))

    def status(self) -> ServerStatus:
        """Asks what the server is, and what each of its models has done so far.

        Raises:
            AtelierError: As in `stylize`. What is not ready is no error.
        """
        return self._lead(_status.status(), self._health_policy(0))

    def close(self) -> None:
        """Closes the connection; calls that are under way end with Unreachable."""
        self._closed = True
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _converse(self, conversation: Conversation[T], timeout: Timeout) -> T:
        return self._lead(conversation, self._retry_policy(timeout))

    def _lead(self, conversation: Conversation[T], policy: RetryPolicy) -> T:
        with self._named(policy):
            step = next_call(conversation)
            while not isinstance(step, Result):
                step = next_call(conversation, self._response(step, policy))
            return step.value

    def _response(self, call: Call[T], policy: RetryPolicy) -> T:
        while True:
            try:
                answer = call.read(self._send(call, policy))
            except AtelierError as error:
                if self._closed:
                    raise
                failure = error
            else:
                policy.served()
                return answer
            for pause in policy.pauses_after(failure):
                time.sleep(pause)

    def _send(self, call: Call[Any], policy: RetryPolicy) -> bytes:
        with self._attempt(call, policy):
            body = call.request(policy.remaining(), policy.request_id, bulk=self._bulk)
            request = Request(call.method, call.model, body, policy.request_id, policy.tried)
            with logged(request), traced(request) as sent:
                return self._transport.send(sent, policy.remaining())
