"""What both clients are, short of sending and waiting."""

from typing import Any

import grpc
from PIL import Image

from atelier import _messages
from atelier._attempts import Attempts, UseClientDefault, checked_timeout
from atelier._channel import options_for, target_of
from atelier._classify import Classification, classify_image
from atelier._errors import AtelierError, ServerFailed, from_status
from atelier._images import LOSSLESS, ImageFormat, ImageSource, decoded_image, encoded_image
from atelier._messages import Exchange, Parameters
from atelier._styles import Style, style_text

Timeout = float | UseClientDefault | None


class BaseClient:
    """Builds and reads messages. `Client` and `AsyncClient` add the input and output."""

    def __init__(self, url: str, *, timeout: float | None, retries: int) -> None:
        if retries < 0:
            raise ValueError(f"retries {retries}: give 0 or more")
        self.url = url
        self.timeout = checked_timeout(timeout)
        self.retries = retries
        self._target = target_of(url)
        self._options = options_for(self._target)
        self._closed = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r}, timeout={self.timeout})"

    def _attempts(self, timeout: Timeout) -> Attempts:
        self._check_open()
        seconds = self.timeout if isinstance(timeout, UseClientDefault) else timeout
        return Attempts(seconds, self.retries, self.url)

    def _waiting(self, timeout: float | None) -> Attempts:
        self._check_open()
        return Attempts(timeout, None, self.url)

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError(f"{self!r} is closed; make a new one")

    def _error(
        self, error: grpc.RpcError, exchange: Exchange[Any], attempts: Attempts
    ) -> AtelierError:
        details = error.details() or ""
        return self._failed(exchange, error.code(), details, attempts.timeout)

    def _check_still_open(self, exchange: Exchange[Any]) -> None:
        if self._closed:
            raise self._closed_meanwhile(exchange)

    def _closed_meanwhile(self, exchange: Exchange[Any]) -> AtelierError:
        return self._failed(exchange, grpc.StatusCode.CANCELLED, "the client was closed", None)

    def _failed(
        self, exchange: Exchange[Any], code: grpc.StatusCode, details: str, timeout: float | None
    ) -> AtelierError:
        return from_status(code, details, url=self.url, model=exchange.model, timeout=timeout)

    def _stylize_encoded(
        self, image: ImageSource, style: Style, options: Parameters
    ) -> Exchange[bytes]:
        picture = encoded_image(image)
        return _messages.infer_bytes(
            "stylize",
            {"image": picture.data, "style": style_text(style)},
            {"stylized": None},
            {**options, "format": options["format"] or picture.reply},
        ).then(lambda answer: answer["stylized"][0])

    def _stylize(
        self, image: ImageSource, style: Style, options: Parameters
    ) -> Exchange[Image.Image]:
        lossless = {**options, "format": options["format"] or LOSSLESS}
        return self._stylize_encoded(image, style, lossless).then(decoded_image)

    def _classify(self, image: ImageSource, top: int | None) -> Exchange[Classification]:
        return classify_image(encoded_image(image).data, top)

    def _styles(self) -> Exchange[list[str]]:
        return _messages.model_config("style").then(_style_names)

    def _ready(self) -> Exchange[None]:
        return _messages.model_ready("stylize", self.url)


def stylize_options(
    *,
    strength: float,
    keep_colors: bool,
    longest_side: int | None,
    encoding: ImageFormat | None,
    quality: int | None,
) -> Parameters:
    """The parameters of `stylize`. What is left as it is goes unsaid: the server knows it."""
    return {
        "strength": None if strength == 1 else strength,
        "keep_colors": True if keep_colors else None,
        "longest_side": longest_side,
        "format": encoding,
        "quality": quality,
    }


def _style_names(config: Any) -> list[str]:
    names = config.parameters["styles"].string_value if "styles" in config.parameters else ""
    if not names:
        raise ServerFailed(f"model {config.name!r} has no parameter 'styles'", model=config.name)
    return [name.strip() for name in names.split(",")]
