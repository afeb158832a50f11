"""Files that Pillow does not read: HEIC, which `pillow-heif` does, and what others are called."""

import io
import re
from typing import Final

from PIL import Image

from atelier._errors import InvalidRequest
from atelier._extras import pip_install

_HEIC: Final = re.compile(rb".{4}ftyp(hei[cmsx]|hev[cmx]|mif1|msf1)", re.DOTALL)
_KINDS: Final = (
    (rb".{4}ftypavi[fs]", "an AVIF, which this build of Pillow does not read"),
    (rb".{4}ftyp", "a video"),
    (rb"\x00\x00\x00\x0cJXL |\xff\x0a", "a JPEG XL"),
    (rb"%PDF", "a PDF document"),
    (rb"PK\x03\x04", "a ZIP archive"),
    (rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?(<!DOCTYPE svg[^>]*>\s*)?<svg", "an SVG drawing"),
    (rb"(?i)\s*<(!doctype html|html)", "an HTML page"),
    (rb"/9j/|iVBORw0KGgo|UklGR|data:image/", "base64 text, not the bytes of an image"),
)
_START: Final = 1024


def foreign_image(data: bytes, name: str) -> Image.Image:
    """The image in a file that Pillow alone does not read, upright.

    Raises:
        InvalidRequest: It is no HEIC, or `pillow-heif` is not there; the message begins with
            `name` and says what the file is.
    """
    if _HEIC.match(data):
        return _heic_image(data, name)
    for pattern, kind in _KINDS:
        if re.match(pattern, data[:_START], re.DOTALL):
            raise InvalidRequest(f"{name}: {kind}; give a JPEG, PNG or WebP")
    raise InvalidRequest(f"{name}: not an image in a known format; give a JPEG, PNG or WebP")


def _heic_image(data: bytes, name: str) -> Image.Image:
    try:
        from pillow_heif import open_heif
    except ImportError as error:
        raise InvalidRequest(
            f"{name}: a HEIC, which is read with one more package: {pip_install('heif')}; or "
            "convert it to JPEG"
        ) from error
    try:
        # Not by its plugin, which would change what Pillow reads for the whole process.
        image: Image.Image = open_heif(io.BytesIO(data)).to_pillow()
    except Exception as error:  # Whatever libheif makes of damaged bytes.
        raise InvalidRequest(f"{name}: the HEIC cannot be read: {error}") from error
    return image
