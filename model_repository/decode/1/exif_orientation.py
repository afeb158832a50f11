"""Which way up a picture is meant to be seen."""

import struct

_ORIENTATION = 0x0112
_SHORT = 3


def read_orientation(exif: bytes) -> int:
    """Reads the orientation from an EXIF block (EXIF 2.32, section 4.6.4; TIFF 6.0, section 2).

    Args:
        exif: A TIFF header and its tables.

    Returns:
        1 to 8; 1, upright, where the block is empty, damaged or silent about it: the picture is
        whole, and a broken note about it is no reason to refuse it.
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None:
        return 1
    try:
        (table,) = struct.unpack_from(f"{order}I", exif, 4)
        (entries,) = struct.unpack_from(f"{order}H", exif, table)
        for entry in range(table + 2, table + 2 + 12 * entries, 12):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", exif, entry)
            if tag == _ORIENTATION:
                return value if kind == _SHORT and 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1
