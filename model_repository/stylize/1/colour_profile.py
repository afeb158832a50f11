"""The colour profile of a picture, on its way from the photograph to the answer.

A profile is carried and never applied: the answer's numbers mean the colours that the photograph's
numbers meant. It comes from strangers and goes to whoever opens the answer, so only what is whole
by its own account goes on, and whatever else is left out: the picture is no worse for it than it
was without.
"""

import struct
import zlib
from collections.abc import Sequence

MAX_BYTES = 1 << 20
"""Largest profile that is carried. Those of cameras and screens have some kilobytes."""

# ICC.1:2022, section 7.2: the whole size, the class of the device, the colour space of the picture
# and of the connection, and the signature. Section 7.3: how many tags there are, and each of them.
_HEADER = struct.Struct(">I8x4s4s4s12x4s88xI")
_TAG = struct.Struct(">4x2I")
_DEVICES = (b"scnr", b"mntr", b"prtr", b"spac")
_CONNECTIONS = (b"XYZ ", b"Lab ")


def from_jpeg(segments: Sequence[memoryview]) -> bytes:
    """Joins the parts of a profile (ICC.1:2022, section B.4).

    Args:
        segments: What follows "ICC_PROFILE" and its zero: number, count, part. In any order.

    Returns:
        The profile, or nothing where a part is missing, there twice, or the whole is too large.
    """
    if sum(map(len, segments)) > MAX_BYTES + 2 * len(segments):
        return b""
    parts = {segment[0]: segment[2:] for segment in segments if len(segment) > 2}
    counts = {segment[1] for segment in segments if len(segment) > 2}
    if counts != {len(segments)} or parts.keys() != set(range(1, len(segments) + 1)):
        return b""
    return b"".join(parts[number] for number in sorted(parts))


def from_png(content: memoryview) -> bytes:
    """Unpacks the chunk iCCP (PNG specification, third edition, section 11.3.2.3).

    Returns:
        The profile, or nothing where the chunk is damaged or would unpack to too much.
    """
    # What cannot be packed becomes a little larger by it.
    name, _, packed = bytes(content[: 2 * MAX_BYTES]).partition(b"\0")
    if not 0 < len(name) < 80 or packed[:1] != b"\0":
        return b""
    unpacking = zlib.decompressobj()
    try:
        # With room for one byte more, so that the end is seen where it fits just so.
        profile = unpacking.decompress(packed[1:], MAX_BYTES + 1)
    except zlib.error:
        return b""
    return profile if unpacking.eof and len(profile) <= MAX_BYTES else b""


def checked(profile: bytes) -> bytes:
    """The profile without padding, where it is whole and for RGB pictures, or else nothing."""
    if len(profile) < _HEADER.size:
        return b""
    size, device, space, connection, signature, tags = _HEADER.unpack_from(profile)
    end = _HEADER.size + tags * _TAG.size
    if not end <= size <= min(len(profile), MAX_BYTES):
        return b""
    whole = (
        (space, signature) == (b"RGB ", b"acsp")
        and device in _DEVICES
        and connection in _CONNECTIONS
        and all(
            end <= start and start + length <= size
            for start, length in _TAG.iter_unpack(profile[_HEADER.size : end])
        )
    )
    return profile[:size] if whole else b""
