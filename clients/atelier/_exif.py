"""The EXIF of a photograph, carried over to its painting without encoding that again.

The blocks are described in CIPA DC-008 (JPEG), the PNG specification (`eXIf`) and the WebP
container specification (`VP8X` and `EXIF`).
"""

import io
import struct
import zlib
from typing import Final

from PIL import ExifTags, Image, UnidentifiedImageError

from atelier._errors import InvalidRequest
from atelier._foreign_files import foreign_image
from atelier._images import served_format

_ORIENTATION: Final = ExifTags.Base.Orientation
_UPRIGHT: Final = 1
_SIDES: Final = (ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight)
# What describes the photograph. The others describe the file that it came in, and its thumbnail.
_KEPT: Final = frozenset(
    {
        *("ImageDescription", "Make", "Model", "XResolution", "YResolution", "ResolutionUnit"),
        *("Software", "DateTime", "Artist", "Copyright", "ExifOffset", "GPSInfo"),
        *("XPTitle", "XPComment", "XPAuthor", "XPKeywords", "XPSubject"),
    }
)
_HEADER: Final = b"Exif\0\0"
_LONGEST_SEGMENT: Final = 65533
_JFIF: Final = b"\xff\xe0"
_WEBP_EXIF: Final = 0x08


def exif_of(data: bytes, name: str) -> Image.Exif | None:
    """What the EXIF of a file says of its image, which is upright; None where it has none.

    Raises:
        InvalidRequest: It cannot be read; the message begins with `name`.
    """
    try:
        try:
            image: Image.Image = Image.open(io.BytesIO(data))
        except UnidentifiedImageError:
            image = foreign_image(data, name)
        exif = image.getexif()
        for tag in set(exif):
            if ExifTags.TAGS.get(tag) not in _KEPT and tag != _ORIENTATION:
                del exif[tag]
        if _ORIENTATION in exif:
            exif[_ORIENTATION] = _UPRIGHT
        return exif if len(exif) and exif.tobytes() else None
    except InvalidRequest:
        raise
    except Exception as error:  # Pillow raises almost anything for malformed bytes.
        raise InvalidRequest(
            f"{name}: its EXIF cannot be read ({error}); leave out --keep-exif"
        ) from error


def with_exif(painting: bytes, exif: Image.Exif) -> bytes:
    """The JPEG, PNG or WebP with this EXIF. Its pixels stay as they are.

    Raises:
        InvalidRequest: The EXIF is too long for a JPEG.
    """
    with Image.open(io.BytesIO(painting)) as image:
        size = image.size
    details = exif.get_ifd(ExifTags.IFD.Exif)
    for tag, side in zip(_SIDES, size, strict=True):
        if tag in details:
            details[tag] = side
    block = exif.tobytes().removeprefix(_HEADER)
    match served_format(painting):
        case "jpeg":
            return _jpeg_with_exif(painting, block)
        case "png":
            return _png_with_exif(painting, block)
        case _:
            return _webp_with_exif(painting, block, size)


def _jpeg_with_exif(painting: bytes, block: bytes) -> bytes:
    content = _HEADER + block
    if len(content) > _LONGEST_SEGMENT:
        raise InvalidRequest(
            f"the EXIF has {len(block)} bytes, more than a JPEG holds; leave out --keep-exif, or "
            "write a PNG"
        )
    start = 2
    if painting[2:4] == _JFIF:
        start = 4 + int.from_bytes(painting[4:6], "big")
    segment = struct.pack(">HH", 0xFFE1, len(content) + 2) + content
    return painting[:start] + segment + painting[start:]


def _png_with_exif(painting: bytes, block: bytes) -> bytes:
    after_header = 33  # The signature, and IHDR.
    content = b"eXIf" + block
    chunk = struct.pack(">I", len(block)) + content + struct.pack(">I", zlib.crc32(content))
    return painting[:after_header] + chunk + painting[after_header:]


def _webp_with_exif(painting: bytes, block: bytes, size: tuple[int, int]) -> bytes:
    chunks = bytearray(painting[12:])
    if chunks[:4] == b"VP8X":
        chunks[8] |= _WEBP_EXIF
    else:
        canvas = b"".join((side - 1).to_bytes(3, "little") for side in size)
        chunks[:0] = struct.pack("<4sIB3x", b"VP8X", 10, _WEBP_EXIF) + canvas
    chunks += struct.pack("<4sI", b"EXIF", len(block)) + block + bytes(len(block) % 2)
    return struct.pack("<4sI4s", b"RIFF", len(chunks) + 4, b"WEBP") + chunks
