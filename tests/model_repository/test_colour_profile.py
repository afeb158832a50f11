"""Which colour profiles go on into the answer."""

import random
import struct
import time
import zlib

import colour_profile
import numpy as np
import pytest
from image_container import read_container
from image_decoder import Limits, decode
from PIL import Image, ImageCms
from skimage import data

LIMITS = Limits(
    max_encoded_bytes=1 << 26, max_decoded_pixels=1 << 22, max_pixels=1 << 20, min_side=16
)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
FORMATS = pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP"])


def profile_of(data_: bytes) -> bytes:
    return decode(data_, LIMITS).profile


def pixels_of(data_: bytes) -> np.ndarray:
    return decode(data_, LIMITS).pixels


def changed(position: int, value: bytes) -> bytes:
    return PROFILE[:position] + value + PROFILE[position + len(value) :]


def of_length(length: int) -> bytes:
    """The profile with something that no tag speaks of behind it."""
    more = random.Random(0).randbytes(length - len(PROFILE))
    return struct.pack(">I", length) + PROFILE[4:] + more


@FORMATS
@pytest.mark.parametrize("length", [len(PROFILE), 70_000, 1 << 20])
def test_an_rgb_profile_is_carried(photo, encoded, format_name, length):
    profile = of_length(length)
    found = decode(encoded(photo, format_name, icc_profile=profile, quality=95), LIMITS)
    assert found.profile == profile
    plain = decode(encoded(photo, format_name, quality=95), LIMITS)
    assert plain.profile == b""
    assert (plain.pixels == found.pixels).all()


@pytest.mark.parametrize("mode", ["RGBA", "P"])
def test_alpha_and_palettes_are_rgb_too(photo, encoded, mode):
    assert profile_of(encoded(photo.convert(mode), "PNG", icc_profile=PROFILE)) == PROFILE


@pytest.mark.parametrize(
    ("format_name", "mode"),
    [("JPEG", "L"), ("JPEG", "CMYK"), *(("PNG", mode) for mode in ("1", "L", "LA", "I;16"))],
)
def test_a_picture_that_is_not_rgb_has_no_rgb_profile(photo, encoded, format_name, mode):
    if mode == "I;16":
        image = Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16) << 8)
    else:
        image = photo.convert(mode)
    assert profile_of(encoded(image, format_name, icc_profile=PROFILE)) == b""


@FORMATS
@pytest.mark.parametrize("space", [b"CMYK", b"GRAY", b"Lab ", b"rgb ", b"\0\0\0\0"])
def test_profiles_of_other_colour_spaces_are_dropped(photo, encoded, format_name, space):
    assert profile_of(encoded(photo, format_name, icc_profile=changed(16, space))) == b""


def test_padding_is_cut_off():
    assert colour_profile.checked(PROFILE + bytes(3)) == PROFILE


TAGS = struct.unpack_from(">I", PROFILE, 128)[0]
DAMAGED = {
    "empty": b"",
    "a header cut off": PROFILE[:131],
    "the end cut off": PROFILE[:-1],
    "a size of nothing": changed(0, bytes(4)),
    "a size beyond the end": changed(0, struct.pack(">I", len(PROFILE) + 1)),
    "a size of gigabytes": changed(0, b"\xff" * 4),
    "a size within the tags": changed(0, struct.pack(">I", 140)),
    "no signature": changed(36, b"nope"),
    "a link between devices": changed(12, b"link"),
    "named colours": changed(12, b"nmcl"),
    "no connection space": changed(20, b"RGB "),
    "tags beyond the end": changed(128, struct.pack(">I", 10_000)),
    "billions of tags": changed(128, b"\xff" * 4),
    "a tag within the header": changed(136, struct.pack(">I", 4)),
    "a tag beyond the end": changed(136, struct.pack(">I", len(PROFILE))),
    "a tag of gigabytes": changed(140, b"\xff" * 4),
    "too large": of_length((1 << 20) + 1),
}


@pytest.mark.parametrize("damaged", DAMAGED.values(), ids=DAMAGED.keys())
def test_damaged_profiles_are_dropped(photo, encoded, damaged):
    assert colour_profile.checked(damaged) == b""
    for format_name in ("JPEG", "PNG", "WEBP"):
        picture = encoded(photo, format_name, icc_profile=damaged)
        assert profile_of(picture) == b""
        assert (pixels_of(picture) == pixels_of(encoded(photo, format_name))).all()


def test_any_bytes_are_a_whole_profile_or_none():
    rng = random.Random(20_240_717)
    whole = 0
    for _ in range(3_000):
        broken = bytearray(PROFILE)
        for _ in range(rng.choice([1, 2, 8])):
            broken[rng.randrange(132 + 12 * TAGS)] = rng.randrange(256)
        found = colour_profile.checked(bytes(broken))
        assert found in (b"", bytes(broken))
        whole += bool(found)
    assert 0 < whole < 3_000


def jpeg_with(photo: Image.Image, encoded, *segments: bytes) -> bytes:
    """A JPEG with these segments APP2 behind the first marker."""
    whole = encoded(photo, "JPEG")
    parts = [struct.pack(">HH", 0xFFE2, 2 + len(segment)) + segment for segment in segments]
    return whole[:2] + b"".join(parts) + whole[2:]


def part(number: int, count: int, content: bytes) -> bytes:
    return b"ICC_PROFILE\0" + bytes([number, count]) + content


def test_the_parts_of_a_jpegs_profile_are_joined_in_their_order(photo, encoded):
    parts = [part(1, 3, PROFILE[:200]), part(2, 3, PROFILE[200:300]), part(3, 3, PROFILE[300:])]
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        picture = jpeg_with(photo, encoded, b"MPF\0", *(parts[number] for number in order))
        assert profile_of(picture) == PROFILE


HALVES = PROFILE[:300], PROFILE[300:]
WRONG_PARTS = {
    "one is missing": [part(1, 2, PROFILE)],
    "one is there twice": [part(1, 2, HALVES[0]), part(1, 2, HALVES[1])],
    "they count differently": [part(1, 2, HALVES[0]), part(2, 3, HALVES[1])],
    "they count from zero": [part(0, 2, HALVES[0]), part(1, 2, HALVES[1])],
    "there are too many": [part(1, 1, PROFILE), part(2, 1, b"more")],
    "there is nothing in them": [b"ICC_PROFILE\0"],
    "there is only a number": [b"ICC_PROFILE\0\1"],
}


@pytest.mark.parametrize("parts", WRONG_PARTS.values(), ids=WRONG_PARTS.keys())
def test_parts_that_do_not_fit_are_dropped(photo, encoded, parts):
    assert profile_of(jpeg_with(photo, encoded, *parts)) == b""


def test_a_jpegs_parts_that_are_too_large_are_not_even_joined(photo, encoded):
    parts = [part(number, 255, bytes(65_000)) for number in range(1, 256)]
    picture = jpeg_with(photo, encoded, *parts)
    assert read_container(picture).profile == b""
    assert (pixels_of(picture) == pixels_of(encoded(photo, "JPEG"))).all()


def png(png_with, *chunks: tuple[bytes, bytes]) -> bytes:
    header = (b"IHDR", struct.pack(">IIBBBBB", 16, 16, 8, 2, 0, 0, 0))
    pixels = (b"IDAT", zlib.compress(bytes(49 * 16)))
    return png_with(header, *chunks, pixels, (b"IEND", b""))


def test_a_png_holds_one_profile_and_the_first_counts(png_with):
    good, bad = b"good\0\0" + zlib.compress(PROFILE), b"bad\0\0" + b"broken"
    assert profile_of(png(png_with, (b"iCCP", good))) == PROFILE
    assert profile_of(png(png_with, (b"iCCP", good), (b"iCCP", bad))) == PROFILE
    assert profile_of(png(png_with, (b"iCCP", bad), (b"iCCP", good))) == b""


PACKED = zlib.compress(PROFILE)
CHUNKS = {
    "nothing": b"",
    "no end of the name": b"name",
    "no method": b"name\0",
    "no profile": b"name\0\0",
    "no name": b"\0\0" + PACKED,
    "a name too long": b"n" * 80 + b"\0\0" + PACKED,
    "an unknown method": b"name\0\1" + PACKED,
    "the end cut off": b"name\0\0" + PACKED[:-5],
    "not packed": b"name\0\0" + PROFILE,
}


@pytest.mark.parametrize("content", CHUNKS.values(), ids=CHUNKS.keys())
def test_a_damaged_chunk_is_dropped(png_with, content):
    picture = png(png_with, (b"iCCP", content))
    assert profile_of(picture) == b""
    assert not pixels_of(picture).any()


def test_a_profile_that_unpacks_to_gigabytes_is_dropped_in_no_time(png_with):
    bomb = (b"iCCP", b"bomb\0\0" + zlib.compress(bytes(64 << 20), 9))
    picture = png(png_with, *[bomb] * 100)
    started = time.thread_time()
    assert profile_of(picture) == b""
    # Some milliseconds of a processor, where to unpack them all would take 20 s.
    assert time.thread_time() - started < 1


def test_a_webps_profile_that_is_too_large_is_not_copied(photo, encoded):
    picture = encoded(photo, "WEBP", icc_profile=of_length(2 << 20))
    assert read_container(picture).profile == b""


def test_profiles_of_real_photographs_files(encoded):
    """As ImageCms makes them for other white points and curves."""
    image = Image.fromarray(data.coffee())
    for name in ("sRGB", "LAB", "XYZ"):
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile(name)).tobytes()
        found = profile_of(encoded(image, "PNG", icc_profile=profile))
        assert found == (profile if name == "sRGB" else b"")
