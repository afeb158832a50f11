"""What is made of each input."""

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

from PIL import Image

from atelier._bulk.many import pixels_of
from atelier._calls import ModelVersions
from atelier._conversation import Conversation
from atelier._images import EncodedImage, ImageFormat, encoded_image, served_format
from atelier._statistics import steps

if TYPE_CHECKING:
    from atelier._async_client import AsyncClient

_SUFFIXES: Final[Mapping[ImageFormat, tuple[str, ...]]] = {
    "jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "png": (".png",),
    "webp": (".webp",),
}
_MIN_SIDE: Final = 16
"""Of the images that the server takes, in pixels."""


class Task(Protocol):
    """What is made of each input, and of what else the result depends.

    Attributes:
        models: The models that make it.
        table: Whether the results are rows of a table, and not files.
    """

    @property
    def models(self) -> tuple[str, ...]:
        """See the class."""

    @property
    def table(self) -> bool:
        """See the class."""

    def options(self) -> Mapping[str, Any]:
        """Everything that the result depends on beside the input and the models, for JSON."""

    def prepared(self, data: bytes) -> tuple[EncodedImage, int]:
        """The input as it is sent, and its number of pixels. Raises InvalidRequest."""

    def probe(self) -> EncodedImage:
        """An input that shows at little cost whether the server takes the options."""

    async def result(self, art: "AsyncClient", image: EncodedImage) -> bytes:
        """Asks the server for the result of one input."""

    def output_name(self, name: str, data: bytes) -> str:
        """The name of a result of the input `name`; no two inputs share one."""


class ImageTask:
    """What tasks whose inputs are images have in common."""

    table = False

    def probe(self) -> EncodedImage:
        """See `Task`."""
        return encoded_image(Image.new("RGB", (_MIN_SIDE, _MIN_SIDE)))

    def prepared(self, data: bytes) -> tuple[EncodedImage, int]:
        """See `Task`."""
        image = encoded_image(data)
        return image, pixels_of(image.data)

    def output_name(self, name: str, data: bytes) -> str:
        """The input's own name, with the suffix of the result's format where it lacks that."""
        encoding = served_format(data)
        if encoding is None or name.lower().endswith(_SUFFIXES[encoding]):
            return name
        return name + _SUFFIXES[encoding][0]


def task_digest(task: Task, versions: Mapping[str, str]) -> bytes:
    """The digest of a task with the versions of its models."""
    text = json.dumps([list(task.models), task.options(), versions], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def content_digest(data: bytes) -> bytes:
    """The digest of an input."""
    return hashlib.blake2b(data, digest_size=16).digest()


def newest_versions(models: tuple[str, ...]) -> Conversation[dict[str, str]]:
    """Asks for the newest version of each model and of those that it calls."""
    versions = {}
    for model in models:
        for each in (model, *(yield from steps(model))):
            found = yield ModelVersions(each)
            versions[each] = max(found, key=int, default="")
    return versions
