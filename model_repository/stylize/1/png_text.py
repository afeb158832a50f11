"""The metadata that a PNG keeps in its text chunks, where it is some for the orientation."""

import zlib

MAX_BYTES = 1 << 20
"""The longest text that is unpacked, which is the longest that Pillow unpacks."""

XMP = b"XML:com.adobe.xmp\0"
EXIF = b"Raw profile type exif\0"


def read_text(kind: bytes, content: bytes) -> bytes:
    """The text of a chunk (PNG specification, third edition, section 11.3.3).

    Args:
        kind: tEXt, zTXt or iTXt.
        content: The keyword and what follows it.

    Returns:
        The text in the chunk's own encoding, or nothing where it is damaged or too long.
    """
    text = content.partition(b"\0")[2]
    packed = kind == b"zTXt"
    if kind == b"iTXt":
        packed = text[:1] != b"\0"
        # The language and the translated keyword stand before it.
        text = text[1:2] + text[2:].split(b"\0", 2)[-1]
    if kind != b"tEXt":
        if packed and text[:1] != b"\0":
            return b""
        text = text[1:]
    if not packed:
        return text
    unpacking = zlib.decompressobj()
    try:
        text = unpacking.decompress(text, MAX_BYTES)
    except zlib.error:
        return b""
    return b"" if unpacking.unconsumed_tail else text


def exif_of(text: bytes) -> bytes:
    """The EXIF block in a "Raw profile type exif" of ImageMagick: hexadecimal after three lines."""
    try:
        return bytes.fromhex(b"".join(text.split(b"\n")[3:]).decode("latin-1"))
    except ValueError:
        return b""
