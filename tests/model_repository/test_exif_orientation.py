"""The orientation in an EXIF block, whole or broken."""

import io
import struct
import warnings
import zlib

import pytest
from exif_orientation import read_orientation
from hypothesis import given
from hypothesis import strategies as st
from image_container import read_container
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from png_text import read_text


def block(order: str, value: int, kind: int = 3) -> bytes:
    magic = {"<": b"II*\0", ">": b"MM\0*"}[order]
    camera = struct.pack(f"{order}HHI4s", 0x0110, 2, 4, b"abc\0")
    orientation = struct.pack(f"{order}HHIHxx", 0x0112, kind, 1, value)
    return magic + struct.pack(f"{order}IH", 8, 2) + camera + orientation


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("value", range(1, 9))
def test_both_byte_orders(order, value):
    assert read_orientation(block(order, value)) == value


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"II*\0",
        b"II*\0\xff\xff\xff\xff",
        b"II*\0\x08\0\0\0\xff\xff",
        block("<", 0),
        block("<", 9),
        block("<", 6, kind=2),
        block("<", 6, kind=1),
        block("<", 6)[:-8],
        b"XX" + block("<", 6)[2:],
    ],
)
def test_upright_where_it_says_nothing_sensible(exif):
    assert read_orientation(exif) == 1


@given(st.sampled_from([b"II*\0", b"MM\0*", b""]), st.binary(max_size=64))
def test_any_bytes_are_an_orientation(magic, rest):
    assert read_orientation(magic + rest) in range(1, 9)


def file_with(format_name: str, exif: bytes, xmp: bytes = b"") -> bytes:
    """A small image with these in its metadata, as they are."""
    buffer = io.BytesIO()
    image = Image.new("RGB", (32, 16))
    if format_name == "PNG":
        text = PngInfo()
        if xmp:
            text.add_itxt("XML:com.adobe.xmp", xmp.decode(), zip=True)
        image.save(buffer, "PNG", exif=exif, pnginfo=text)
    else:
        image.save(buffer, format_name, exif=exif and b"Exif\0\0" + exif, xmp=xmp)
    return buffer.getvalue()


def pillows(file: bytes) -> int:
    """The orientation by which Pillow turns the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = Image.open(io.BytesIO(file)).getexif().get(0x0112, 1)
    return found if found in range(1, 9) else 1


def ours(file: bytes) -> int:
    container = read_container(file)
    return read_orientation(container.exif, container.xmp)


XMP = [
    b'<rdf:Description tiff:Orientation="6"/>',
    b"<tiff:Orientation>8</tiff:Orientation>",
    b"<tiff:Orientation>0</tiff:Orientation>",
    b"<tiff:Make>none</tiff:Make>",
    b"",
]


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("xmp", XMP)
@pytest.mark.parametrize("exif", [b"", block("<", 3), block(">", 0), block("<", 3)[:8] + b"\0\0"])
def test_exif_goes_before_xmp_as_in_pillow(format_name, exif, xmp):
    file = file_with(format_name, exif, xmp)
    assert ours(file) == pillows(file)


def test_xmp_alone_turns_an_image():
    for format_name in ("JPEG", "PNG", "WEBP"):
        assert ours(file_with(format_name, b"", XMP[0])) == 6
        assert ours(file_with(format_name, b"", XMP[1])) == 8


INTEGERS = {3: "H2x", 4: "I", 6: "b3x", 8: "h2x", 9: "i", 13: "I"}


def entry(order: str, tag: int, kind: int, value: int, count: int = 1) -> bytes:
    content = struct.pack(order + INTEGERS.get(kind, "I"), value)
    return struct.pack(f"{order}HHI", tag, kind, count) + content


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", INTEGERS)
@pytest.mark.parametrize("value", [0, 1, 3, 6, 9, 70])
def test_every_type_of_integer_is_read_as_in_pillow(order, kind, value):
    magic = {"<": b"II*\0", ">": b"MM\0*"}[order]
    exif = magic + struct.pack(f"{order}IH", 8, 1) + entry(order, 0x0112, kind, value) + bytes(4)
    assert read_orientation(exif) == (value if value in range(1, 9) else 1)
    for format_name in ("JPEG", "PNG", "WEBP"):
        file = file_with(format_name, exif)
        assert ours(file) == pillows(file)


@given(
    order=st.sampled_from("<>"),
    entries=st.lists(
        st.tuples(
            st.sampled_from([0x010F, 0x0112]),
            # All types of TIFF, and some that are none, but for fractions.
            st.sampled_from([0, 1, 2, 3, 4, 6, 7, 8, 9, 13, 14, 16, 99]),
            st.integers(0, 60),
            st.integers(0, 20),
        ),
        max_size=4,
    ),
    missing=st.integers(0, 40),
)
def test_whole_and_broken_tables_are_read_as_in_pillow(order, entries, missing):
    magic = {"<": b"II*\0", ">": b"MM\0*"}[order]
    exif = magic + struct.pack(f"{order}IH", 8, len(entries))
    exif += b"".join(entry(order, *each) for each in entries) + bytes(20)
    file = file_with("PNG", exif[: max(8, len(exif) - missing)])
    assert ours(file) == pillows(file)


def test_a_raw_profile_of_imagemagick_turns_an_image():
    buffer, text = io.BytesIO(), PngInfo()
    hexadecimal = (b"Exif\0\0" + block("<", 6)).hex()
    text.add_text(
        "Raw profile type exif", f"\nexif\n{len(hexadecimal) // 2:8}\n{hexadecimal}", zip=True
    )
    Image.new("RGB", (32, 16)).save(buffer, "PNG", pnginfo=text)
    assert ours(buffer.getvalue()) == pillows(buffer.getvalue()) == 6


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt"])
def test_a_text_that_unpacks_to_gigabytes_is_left_packed(kind):
    packed = zlib.compress(b" " * (2 << 20) + XMP[0])
    head = b"\0" if kind == b"zTXt" else b"\1\0\0\0"
    assert read_text(kind, b"XML:com.adobe.xmp\0" + head + packed) == b""
    small = zlib.compress(XMP[0])
    assert read_text(kind, b"XML:com.adobe.xmp\0" + head + small) == XMP[0]
    assert read_text(kind, b"XML:com.adobe.xmp\0" + head + b"not packed") == b""
