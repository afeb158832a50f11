"""The orientation in an EXIF block, whole or broken."""

import struct

import pytest
from exif_orientation import read_orientation
from hypothesis import given
from hypothesis import strategies as st


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
        block("<", 6)[:-8],
        b"XX" + block("<", 6)[2:],
    ],
)
def test_upright_where_it_says_nothing_sensible(exif):
    assert read_orientation(exif) == 1


@given(st.sampled_from([b"II*\0", b"MM\0*", b""]), st.binary(max_size=64))
def test_any_bytes_are_an_orientation(magic, rest):
    assert read_orientation(magic + rest) in range(1, 9)
