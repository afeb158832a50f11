"""Which way up an image is meant to be seen, by the rule of Pillow's `exif_transpose`.

An image turned by that function and a file sent as it is come out alike. Pillow itself is not
asked: it reads every value of the tables, which can be made to cost minutes.
"""

import re
import struct

_ORIENTATION = 0x0112
# TIFF 6.0, section 2: the bytes of a value of each type; LONG8 and IFD are later additions.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
# SHORT by the specification; telephones write LONG, SSHORT and SLONG too.
_INTEGERS = {3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q"}
_XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')


def read_orientation(exif: bytes, xmp: bytes = b"") -> int:
    """Reads the orientation from an EXIF block, or where that has none, from XMP.

    EXIF 2.32, section 4.6.4; TIFF 6.0, section 2; XMP specification, part 2, section 3.1.

    Args:
        exif: A TIFF header and its tables.
        xmp: An XMP packet.

    Returns:
        1 to 8; 1, upright, where both are empty, damaged or silent about it: the image is whole,
        and a broken note about it is no reason to refuse it.
    """
    if exif and (len(exif) < 8 or exif[:4] not in (b"II*\0", b"MM\0*")):
        return 1
    found = _from_exif(exif)
    if found is None:
        match = _XMP_ORIENTATION.search(xmp)
        found = int(match[1]) if match else 1
    return found if 1 <= found <= 8 else 1


def _from_exif(exif: bytes) -> int | None:
    """What the first table says, 0 for what is no integer; None where it is silent."""
    order = "<" if exif.startswith(b"II") else ">"
    found = None
    try:
        (table,) = struct.unpack_from(f"{order}I", exif, 4)
        (entries,) = struct.unpack_from(f"{order}H", exif, table)
        for entry in range(table + 2, table + 2 + 12 * entries, 12):
            tag, kind, count, start = struct.unpack_from(f"{order}HHII", exif, entry)
            size = count * _SIZES.get(kind, 0)
            if size <= 4:
                start = entry + 8
            elif start + size > len(exif):
                break  # Pillow too goes no further.
            if tag == _ORIENTATION and size:
                layout = _INTEGERS.get(kind)
                found = struct.unpack_from(order + layout, exif, start)[0] if layout else 0
    except struct.error:
        pass
    return found
