"""The tasks: stylize, classify, reconstruct, generate."""

import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image

from atelier._bulk.task import ImageTask
from atelier._images import EncodedImage, ImageFormat
from atelier._styles import Style, style_text

if TYPE_CHECKING:
    from atelier._async_client import AsyncClient


@dataclass(frozen=True)
class Stylize(ImageTask):
    """Repaints images; the attributes are the options of `AsyncClient.stylize_encoded`."""

    style: Style
    strength: float = 1.0
    keep_colors: bool = False
    longest_side: int | None = None
    format: ImageFormat | None = None
    quality: int | None = None

    models = ("stylize",)

    def options(self) -> Mapping[str, Any]:
        return {**asdict(self), "style": style_text(self.style)}

    async def result(self, art: "AsyncClient", image: EncodedImage) -> bytes:
        return await art.stylize_encoded(
            image.data, self.style, strength=self.strength, keep_colors=self.keep_colors,
            longest_side=self.longest_side, format=self.format or image.reply,
            quality=self.quality,
        )  # fmt: skip


@dataclass(frozen=True)
class Classify(ImageTask):
    """Says which movement and era images belong to; a result is a line of JSON."""

    top: int | None = 3

    models = ("classify",)
    table = True

    def options(self) -> Mapping[str, Any]:
        return asdict(self)

    async def result(self, art: "AsyncClient", image: EncodedImage) -> bytes:
        found = await art.classify(image.data, self.top)
        return json.dumps(asdict(found)).encode()


@dataclass(frozen=True)
class Reconstruct(ImageTask):
    """Encodes images and decodes them again, to PNG."""

    models = ("vae_encoder", "vae_decoder")

    def options(self) -> Mapping[str, Any]:
        return {}

    async def result(self, art: "AsyncClient", image: EncodedImage) -> bytes:
        return png_file(await art.reconstruct(image.data))


@dataclass(frozen=True)
class Generate:
    """Paints new images, to PNG; an input is a seed."""

    movement: str | None = None
    truncation: float | None = None

    models = ("generate",)
    table = False

    def options(self) -> Mapping[str, Any]:
        return asdict(self)

    def probe(self) -> EncodedImage:
        return EncodedImage(b"0", None)

    def prepared(self, data: bytes) -> tuple[EncodedImage, int]:
        return EncodedImage(data, None), 0

    async def result(self, art: "AsyncClient", image: EncodedImage) -> bytes:
        (painted,) = await art.generate(
            movement=self.movement, seed=int(image.data), truncation=self.truncation
        )
        return png_file(painted)

    def output_name(self, name: str, data: bytes) -> str:  # noqa: ARG002
        return f"{name}.png"


def png_file(image: Image.Image) -> bytes:
    """The image as a PNG file."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
