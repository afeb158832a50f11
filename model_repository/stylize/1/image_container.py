"""The files around the pixels: what they declare, and the parts that hold the picture.

Nothing is decoded here, and nothing unpacked but one profile and two texts, up to a bound. The size
must be known, and refused, before a decoder reserves memory for it: libwebp reserves its canvas as
soon as it opens a file. And the metadata of JPEG and PNG must not reach Pillow, which unpacks
profiles and reads EXIF tables that can be made to cost minutes and gigabytes. WebP goes on whole:
the format packs no metadata, and Pillow's reader copies its chunks without a look inside, so they
cost no more than their own length. What is needed of the metadata, the orientation and the colour
profile, is taken out here.
"""

import re
import struct
from dataclasses import dataclass
from typing import Any

import colour_profile
import png_text


class ImageError(ValueError):
    """The bytes are no image that can be decoded here; the message says why and what to do."""


@dataclass(frozen=True)
class Container:
    """An encoded image, opened but not decoded.

    Attributes:
        format: "JPEG", "PNG" or "WebP".
        width: Pixels a row, as stored (before the EXIF orientation), 0 or more.
        height: Number of rows, as stored, 0 or more.
        picture: What Pillow decodes: a JPEG or PNG without metadata, a WebP as it came.
        depth: Bits a sample as stored: 1, 2, 4, 8 or 16.
        frames: More than 1 in an animation.
        scans: How often a JPEG goes over all its pixels; 1 for the others.
        exif: The EXIF block (a TIFF header and its tables), or nothing.
        xmp: The XMP packet, or nothing.
        profile: The colour profile as it came, unchecked, or nothing.
    """

    format: str
    width: int
    height: int
    picture: bytes
    depth: int = 8
    frames: int = 1
    scans: int = 1
    exif: bytes = b""
    xmp: bytes = b""
    profile: bytes = b""


# Real files hold some hundred segments or chunks; walking through millions of empty ones would keep
# an instance busy for minutes.
MAX_PARTS = 1 << 16

_JPEG_MARKER = re.compile(rb"\xff[\x01-\xfe]")
# Within a scan: neither a stuffed 0xFF nor a restart.
_JPEG_MARKER_AFTER_SCAN = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_JPEG_END, _JPEG_SCAN, _JPEG_EXIF, _JPEG_PROFILE = 0xD9, 0xDA, 0xE1, 0xE2
# JFIF (APP0) and Adobe (APP14) tell the colour space, so they stay.
_JPEG_METADATA = frozenset({*range(0xE1, 0xF0), 0xFE}) - {0xEE}

_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_TEXT = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_PNG_PICTURE = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})

_OTHER_FORMATS = (
    (rb"GIF8[79]a", "a GIF"),
    (rb"BM.{4}\x00{4}", "a BMP"),
    (rb"II\*\x00|MM\x00\*|II\+\x00|MM\x00\+", "a TIFF"),
    (rb".{4}ftypavi[fs]", "an AVIF"),
    (rb".{4}ftyp(hei[cmsx]|hev[cmx]|mif1|msf1)", "a HEIC"),
    (rb".{4}ftyp", "a video"),
    (rb"\x00\x00\x00\x0cjP  |\xff\x4f\xff\x51", "a JPEG 2000"),
    (rb"\x00\x00\x00\x0cJXL |\xff\x0a", "a JPEG XL"),
    (rb"8BPS", "a Photoshop document"),
    (rb"\x00\x00\x01\x00", "an icon (ICO)"),
    (rb"%PDF", "a PDF document"),
    (rb"PK\x03\x04", "a ZIP archive"),
    (rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?(<!DOCTYPE svg[^>]*>\s*)?<svg", "an SVG drawing"),
    (rb"(?i)\s*<(!doctype html|html)", "an HTML page"),
    (rb"/9j/|iVBORw0KGgo|UklGR|data:image/", "base64 text, not the bytes of an image"),
)


def read_container(data: bytes) -> Container:
    """Recognises the format by content and takes the file apart.

    Raises:
        ImageError: `data` is empty, is no JPEG, PNG or WebP, or its structure is damaged.
    """
    if data.startswith(b"\xff\xd8\xff"):
        return _read_jpeg(data)
    if data.startswith(_PNG_SIGNATURE):
        return _read_png(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _read_webp(data)
    raise ImageError(f"{_describe(data)}: send the bytes of a JPEG, PNG or WebP file")


def damaged(format_name: str, reason: str) -> ImageError:
    """An ImageError for a file that was recognised and then could not be read."""
    return ImageError(
        f"the {format_name} image is damaged or cut off ({reason}): send the whole file again"
    )


def _describe(data: bytes) -> str:
    if not data:
        return "the image is empty"
    start = data[:1024]
    for pattern, name in _OTHER_FORMATS:
        if re.match(pattern, start, re.DOTALL):
            return f"the image is {name}, which is not supported"
    return f"the image is in an unknown format ({len(data)} bytes that start with {data[:12]!r})"


def _read_jpeg(data: bytes) -> Container:
    """ITU-T T.81, annex B: markers with segments, the frame among them, up to the first scan."""
    view, xmp, frame = memoryview(data), b"", None
    kept: list[bytes | memoryview] = [data[:2]]
    exif: list[memoryview] = []
    profile: list[memoryview] = []
    position = 2
    for _ in range(MAX_PARTS):
        match = _JPEG_MARKER.search(data, position)
        if match is None:
            raise damaged("JPEG", "it ends before the picture begins")
        start, content = match.span()
        marker = data[start + 1]
        if marker == _JPEG_SCAN and frame is not None:
            kept.append(view[start:])
            return Container(
                "JPEG",
                *frame,
                picture=b"".join(kept),
                scans=_count_scans(data, start),
                exif=_without_names(b"".join(exif)),
                xmp=xmp,
                profile=colour_profile.from_jpeg(profile),
            )
        if marker in (_JPEG_SCAN, _JPEG_END):
            raise damaged("JPEG", "it has no frame header")
        if marker in _JPEG_STANDALONE:
            position = content
            continue
        position = content + max(2, *_unpack("JPEG", ">H", data, content))
        if marker in _JPEG_FRAMES:
            depth, height, width = _unpack("JPEG", ">2xBHH", data, content)
            if depth != 8:
                raise ImageError(
                    f"the JPEG image has {depth} bits a sample: save it again with 8 bits"
                )
            frame = width, height
        if marker == _JPEG_EXIF and data.startswith(_EXIF, content + 2):
            exif.append(view[content + 2 + len(_EXIF) : position])
        if marker == _JPEG_EXIF and data.startswith(_XMP, content + 2):
            xmp = data[content + 2 + len(_XMP) : position]
        if marker == _JPEG_PROFILE and data.startswith(b"ICC_PROFILE\0", content + 2):
            profile.append(view[content + 14 : position])
        if marker not in _JPEG_METADATA:
            kept.append(view[start:position])
    raise _too_many_parts("JPEG", "segments")


def _count_scans(data: bytes, position: int) -> int:
    """How many scans begin from here to the end of the picture; more files may follow it."""
    scans = 0
    for _ in range(MAX_PARTS):
        match = _JPEG_MARKER_AFTER_SCAN.search(data, position)
        if match is None or data[match.end() - 1] == _JPEG_END:
            return scans
        scans += data[match.end() - 1] == _JPEG_SCAN
        position = match.end() + int.from_bytes(data[match.end() : match.end() + 2])
    raise _too_many_parts("JPEG", "segments")


def _read_png(data: bytes) -> Container:
    """PNG specification, third edition, sections 5.3, 11.2.1, 11.3.1.1 and 11.3.6."""
    length, kind, width, height, depth = _unpack("PNG", ">I4sIIB", data, len(_PNG_SIGNATURE))
    if kind != b"IHDR" or length != 13:
        raise damaged("PNG", "it does not begin with an IHDR chunk")
    view, exif, profile, frames = memoryview(data), b"", None, 1
    raw_exif, xmp = (b"", b""), (b"", b"")
    kept: list[bytes | memoryview] = [_PNG_SIGNATURE]
    position = len(_PNG_SIGNATURE)
    for _ in range(MAX_PARTS):
        if position + 8 > len(data) or kind == b"IEND":
            return Container(
                "PNG",
                width,
                height,
                picture=b"".join(kept),
                depth=depth,
                frames=frames,
                exif=_without_names(exif or png_text.exif_of(png_text.read_text(*raw_exif))),
                xmp=png_text.read_text(*xmp),
                profile=colour_profile.from_png(profile or view[:0]),
            )
        length, kind = struct.unpack_from(">I4s", data, position)
        content, start = position + 8, position
        position = content + length + 4
        if kind == b"tRNS" and length > 256:
            raise damaged("PNG", "its transparency is longer than a palette")
        if kind in _PNG_PICTURE:
            kept.append(view[start:position])
        elif kind == b"eXIf":
            exif = data[content : content + length]
        elif kind in _PNG_TEXT and data.startswith(png_text.EXIF, content):
            raw_exif = kind, data[content : content + length]
        elif kind in _PNG_TEXT and data.startswith(png_text.XMP, content):
            xmp = kind, data[content : content + length]
        elif kind == b"iCCP":
            profile = profile or view[content : content + length]
        elif kind == b"acTL":
            (frames,) = _unpack("PNG", ">I", data, content)
    raise _too_many_parts("PNG", "chunks")


def _read_webp(data: bytes) -> Container:
    """RFC 9649, sections 2.3 to 2.7; the sizes are in section 2.7.1 and RFC 6386, section 9.1."""
    width, height = _webp_size(data)
    exif, xmp, profile, frames, position = b"", b"", b"", 0, 12
    for _ in range(MAX_PARTS):
        if position + 8 > len(data):
            return Container(
                "WebP",
                width,
                height,
                picture=data,
                frames=max(1, frames),
                exif=_without_names(exif),
                xmp=xmp,
                profile=profile,
            )
        kind, length = struct.unpack_from("<4sI", data, position)
        content = position + 8
        position = content + length + length % 2
        frames += kind == b"ANMF"
        if kind == b"EXIF":
            exif = exif or data[content : content + length]
        if kind == b"XMP ":
            xmp = xmp or data[content : content + length]
        if kind == b"ICCP" and length <= colour_profile.MAX_BYTES:
            profile = data[content : content + length]
    raise _too_many_parts("WebP", "chunks")


def _webp_size(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8X":
        width, wide, height, high = _unpack("WebP", "<HBHB", data, 24)
        return 1 + width + (wide << 16), 1 + height + (high << 16)
    if kind == b"VP8L":
        signature, bits = _unpack("WebP", "<BI", data, 20)
        if signature == 0x2F:
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        start_code, width, height = _unpack("WebP", "<3sHH", data, 23)
        if start_code == b"\x9d\x01\x2a":
            return width & 0x3FFF, height & 0x3FFF
    raise damaged("WebP", "its first chunk holds no picture")


def _without_names(exif: bytes) -> bytes:
    """An EXIF block without the name that some programs write before it, once or more."""
    while exif.startswith(_EXIF):
        exif = exif.removeprefix(_EXIF)
    return exif


def _unpack(format_name: str, layout: str, data: bytes, position: int) -> tuple[Any, ...]:
    try:
        return struct.unpack_from(layout, data, position)
    except struct.error:
        raise damaged(format_name, "it ends inside its header") from None


def _too_many_parts(format_name: str, parts: str) -> ImageError:
    return ImageError(
        f"the {format_name} image has more than {MAX_PARTS} {parts}: save it again without metadata"
    )
