"""The images of a folder that can be decoded; the others are named before a training begins."""

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from atelier_export.data.images import EncodedImage, find_images

_log = logging.getLogger(__name__)


def readable_images(source: Path, *, strict: bool = False) -> list[EncodedImage]:
    """Lists images as `find_images` does, and leaves out those that cannot be decoded.

    Each is decoded once, so that a truncated file, an empty one, or one of macOS's `._name.jpg`
    does not stop a training at the step that draws it. What is left out is logged.

    Args:
        source: Folder or uncompressed tar archive.
        strict: Whether to refuse all of them if one cannot be decoded.

    Raises:
        FileNotFoundError: `source` does not exist.
        ValueError: It holds no image that can be decoded; or, if `strict`, one that cannot.
    """
    images = find_images(source)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        errors = list(threads.map(_error, images))
    found = [error for error in errors if error is not None]
    count = f"{len(found):,} of {len(images):,} images of {source} cannot be read"
    if found and strict:
        raise ValueError(
            f"{count}; repair or remove them, or do without --strict. The first: {found[0]}"
        )
    if len(found) == len(images):
        raise ValueError(f"{count}. The first: {found[0]}")
    for error in found:
        _log.warning("left out: %s", error)
    if found:
        _log.warning("%s and are left out", count)
    return [image for image, error in zip(images, errors, strict=True) if error is None]


def _error(image: EncodedImage) -> Exception | None:
    try:
        image.read()
    except (OSError, ValueError) as error:
        return error
    return None
