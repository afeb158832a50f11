"""Every kind of picture that JPEG, PNG and WebP can hold, to RGB."""

import struct
import zlib
from dataclasses import replace

import image_decoder
import numpy as np
import pytest
from image_container import Container, ImageError
from image_decoder import Limits, decode
from PIL import Image, ImageOps
from skimage import data

LIMITS = Limits(
    max_encoded_bytes=1 << 24, max_decoded_pixels=1 << 22, max_pixels=1 << 20, min_side=16
)
WHITE = [255, 255, 255]


def pixels_of(data: bytes) -> np.ndarray:
    photograph = decode(data, LIMITS)
    pixels = photograph.pixels
    assert pixels.shape[:2] == (photograph.height, photograph.width)
    assert photograph.original.shape == (0, 0, 3)
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3
    assert pixels.flags.c_contiguous
    return pixels


def difference(a: np.ndarray, b: np.ndarray) -> float:
    return np.abs(a.astype(int) - np.asarray(b, dtype=int)).mean()


@pytest.mark.parametrize("format_name", ["jpeg", "png", "webp"])
def test_the_format_is_seen_in_the_content(photo, encoded, format_name):
    found = decode(encoded(photo, format_name, quality=95), LIMITS)
    assert found.format == format_name
    assert found.pixels.shape == (127, 181, 3)
    assert difference(found.pixels, np.asarray(photo)) < 4


def test_lossless_formats_are_exact(photo, encoded):
    for data_ in (encoded(photo, "PNG"), encoded(photo, "WEBP", lossless=True)):
        assert (pixels_of(data_) == np.asarray(photo)).all()


@pytest.mark.parametrize("mode", ["1", "L", "P"])
@pytest.mark.parametrize("interlace", [False, True])
def test_modes_without_transparency(photo, encoded, mode, interlace):
    image = photo.convert(mode)
    data_ = encoded(image, "PNG", interlace=interlace)
    assert (pixels_of(data_) == np.asarray(image.convert("RGB"))).all()


@pytest.mark.parametrize(
    ("format_name", "mode"), [("PNG", "LA"), ("PNG", "RGBA"), ("WEBP", "RGBA")]
)
def test_alpha_is_laid_over_white(photo, encoded, format_name, mode):
    image = photo.convert(mode)
    alpha = Image.linear_gradient("L").resize(photo.size)
    image.putalpha(alpha)
    options = {"lossless": True, "exact": True} if format_name == "WEBP" else {}
    share = np.asarray(alpha)[..., None] / 255
    expected = np.asarray(image.convert("RGB")) * share + 255 * (1 - share)
    assert np.abs(pixels_of(encoded(image, format_name, **options)) - expected).max() <= 1


def test_a_transparent_palette_entry_is_white(encoded):
    image = Image.new("P", (20, 20), 0)
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.paste(1, (0, 0, 10, 20))
    for transparency in (0, b"\x00\xff"):
        pixels = pixels_of(encoded(image, "PNG", transparency=transparency))
        assert pixels[0, 0].tolist() == [40, 50, 60]
        assert pixels[0, 19].tolist() == WHITE


def grey_png(png_with, rows: np.ndarray, depth: int, width: int, *more: tuple[bytes, bytes]):
    """A greyscale PNG of any depth, from rows that are packed already."""
    header = struct.pack(">IIBBBBB", width, len(rows), depth, 0, 0, 0, 0)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    return png_with((b"IHDR", header), *more, (b"IDAT", zlib.compress(raw)), (b"IEND", b""))


def test_sixteen_bit_grey_is_scaled_and_not_clipped(png_with):
    values = np.linspace(0, 65535, 32 * 32).astype(">u2").reshape(32, 32)
    pixels = pixels_of(grey_png(png_with, values, 16, 32))
    assert pixels.min() == 0
    assert pixels.max() == 255
    assert np.abs(pixels[..., 0] - values / 257).max() <= 1


@pytest.mark.parametrize(("colour_type", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_sixteen_bit_colour_and_alpha(png_with, colour_type, channels):
    values = np.random.default_rng(1).integers(0, 65536, (24, 24, channels)).astype(">u2")
    header = struct.pack(">IIBBBBB", 24, 24, 16, colour_type, 0, 0, 0)
    raw = b"".join(b"\0" + row.tobytes() for row in values)
    pixels = pixels_of(png_with((b"IHDR", header), (b"IDAT", zlib.compress(raw)), (b"IEND", b"")))
    eight = values / 257
    share = eight[..., -1:] / 255 if channels in (2, 4) else 1
    colour = eight[..., :3] if channels > 2 else eight[..., :1]
    assert np.abs(pixels - (colour * share + 255 * (1 - share))).max() <= 2


@pytest.mark.parametrize(("depth", "byte", "level"), [(1, 0x55, 1), (2, 0x66, 2), (4, 0x9A, 10)])
def test_a_transparent_grey_level_is_white_at_every_depth(png_with, depth, byte, level):
    rows = np.full((16, 16 * depth // 8), byte, np.uint8)
    tail = (b"tRNS", struct.pack(">H", level))
    opaque = pixels_of(grey_png(png_with, rows, depth, 16))
    keyed = pixels_of(grey_png(png_with, rows, depth, 16, tail))
    scaled = level * 255 // (2**depth - 1)
    assert (opaque == scaled).any()
    assert (keyed == np.where(opaque == scaled, 255, opaque)).all()


def test_a_transparent_sixteen_bit_grey_is_white(png_with):
    rows = np.full((16, 16), 0x1234, ">u2")
    rows[:, 8:] = 0x4321
    pixels = pixels_of(grey_png(png_with, rows, 16, 16, (b"tRNS", struct.pack(">H", 0x1234))))
    assert pixels[0, 0].tolist() == WHITE
    assert pixels[0, 15].tolist() == [0x43] * 3


@pytest.mark.parametrize("interlace", [0, 1])
@pytest.mark.parametrize(("colour_type", "channels"), [(0, 1), (2, 3)])
def test_only_one_of_the_sixteen_bit_values_is_transparent(
    png_with, colour_type, channels, interlace
):
    ramp = np.arange(4096).reshape(64, 64)
    values = np.stack([ramp] * channels, axis=-1).astype(">u2")
    key = 0x0123
    header = struct.pack(">IIBBBBB", 64, 64, 16, colour_type, 0, 0, interlace)
    passes = [values]
    if interlace:
        starts = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2)]
        starts += [(0, 1, 2, 2), (1, 0, 2, 1)]
        passes = [values[y::down, x::across] for y, x, down, across in starts]
    raw = b"".join(b"\0" + row.tobytes() for part in passes for row in part)
    transparency = (b"tRNS", struct.pack(f">{channels}H", *[key] * channels))
    end = [(b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
    pixels = pixels_of(png_with((b"IHDR", header), transparency, *end))
    expected = np.where(ramp == key, 255, ramp >> 8)
    assert (pixels == expected[..., np.newaxis]).all()


def test_a_sixteen_bit_colour_is_transparent_in_all_its_channels(png_with):
    values = np.full((16, 16, 3), (0x1234, 0x5678, 0x9ABC), ">u2")
    values[:, 8:, 2] += 1
    header = struct.pack(">IIBBBBB", 16, 16, 16, 2, 0, 0, 0)
    raw = b"".join(b"\0" + row.tobytes() for row in values)
    transparency = (b"tRNS", struct.pack(">3H", 0x1234, 0x5678, 0x9ABC))
    end = [(b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
    pixels = pixels_of(png_with((b"IHDR", header), transparency, *end))
    assert (pixels[:, :8] == 255).all()
    assert (pixels[:, 8:] == (0x12, 0x56, 0x9A)).all()


def test_a_transparent_colour_is_white(encoded):
    image = Image.new("RGB", (20, 20), (1, 2, 3))
    image.paste((1, 2, 4), (0, 0, 10, 20))
    pixels = pixels_of(encoded(image, "PNG", transparency=(1, 2, 3)))
    assert pixels[0, 0].tolist() == [1, 2, 4]
    assert pixels[0, 19].tolist() == WHITE


def cmyk(photo: Image.Image) -> Image.Image:
    black = Image.new("L", photo.size, 0)
    return Image.merge("CMYK", [*ImageOps.invert(photo).split(), black])


def test_cmyk_jpeg(photo, encoded):
    assert difference(pixels_of(encoded(cmyk(photo), "JPEG", quality=95)), photo) < 4


def test_ycck_jpeg(photo, encoded):
    # YCbCr of the inks, cyan to yellow, as if they were a picture; Pillow stores it inverted.
    inks = 255 - np.asarray(ImageOps.invert(photo).convert("YCbCr"))
    ycck = np.concatenate([inks, np.zeros((127, 181, 1), np.uint8)], axis=2)
    data_ = encoded(Image.frombytes("CMYK", photo.size, ycck.tobytes()), "JPEG", quality=95)
    adobe = data_.index(b"Adobe")
    assert data_[adobe + 11] == 0
    data_ = data_[: adobe + 11] + b"\x02" + data_[adobe + 12 :]
    assert difference(pixels_of(data_), photo) < 4


def test_grey_and_progressive_jpeg(photo, encoded):
    grey = photo.convert("L")
    assert difference(pixels_of(encoded(grey, "JPEG")), grey.convert("RGB")) < 4
    assert difference(pixels_of(encoded(photo, "JPEG", progressive=True, quality=95)), photo) < 4


def test_a_jpeg_with_further_pictures_is_its_first(photo, encoded):
    data_ = encoded(photo, "MPO", save_all=True, append_images=[ImageOps.invert(photo)])
    found = decode(data_, LIMITS)
    assert found.format == "jpeg"
    assert difference(found.pixels, photo) < 8


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(encoded, format_name, orientation):
    quadrants = np.zeros((32, 48, 3), np.uint8)
    quadrants[:16, 24:], quadrants[16:, :24], quadrants[16:, 24:] = 80, 160, 240
    image = Image.fromarray(quadrants)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = encoded(image, format_name, exif=exif, quality=95)
    image.getexif()[0x0112] = orientation
    assert difference(pixels_of(stored), ImageOps.exif_transpose(image)) < 4


def test_a_transparent_colour_survives_turning(encoded):
    image = Image.new("RGB", (20, 40), (1, 2, 3))
    image.paste((1, 2, 4), (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 3
    pixels = pixels_of(encoded(image, "PNG", exif=exif, transparency=(1, 2, 3)))
    assert pixels[0, 0].tolist() == WHITE
    assert pixels[39, 0].tolist() == [1, 2, 4]


@pytest.mark.parametrize(
    "exif", [b"", b"\xff" * 40, b"MM\0*\0\0\0\x08\0\x01\x01\x12\xff\xff", b"II*\0\xff\xff\xff\xff"]
)
def test_broken_exif_harms_nothing(photo, encoded, exif):
    assert (pixels_of(encoded(photo, "PNG", exif=b"Exif\0\0" + exif)) == np.asarray(photo)).all()


def test_sample_photographs(encoded):
    for name in ("astronaut", "coffee", "rocket", "camera", "coins"):
        image = Image.fromarray(getattr(data, name)())
        assert (pixels_of(encoded(image, "PNG")) == np.asarray(image.convert("RGB"))).all()


def refusal(data_: bytes, limits: Limits = LIMITS) -> str:
    with pytest.raises(ImageError) as caught:
        decode(data_, limits)
    return str(caught.value)


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP"])
def test_limits_are_checked_before_decoding(photo, encoded, format_name, monkeypatch):
    monkeypatch.setattr("image_decoder._READERS", {})
    data_ = encoded(photo, format_name)
    few_bytes = replace(LIMITS, max_encoded_bytes=len(data_) - 1)
    assert f"{len(data_)} bytes, more than the {len(data_) - 1}" in refusal(data_, few_bytes)
    few_pixels = replace(LIMITS, max_decoded_pixels=181 * 127 - 1)
    assert "181 x 127 pixels, more than the 22986" in refusal(data_, few_pixels)
    large = replace(LIMITS, min_side=128)
    assert "181 x 127 pixels: each side needs at least 128" in refusal(data_, large)


def test_limits_are_inclusive(encoded):
    data_ = encoded(Image.new("RGB", (16, 20)), "PNG")
    found = decode(data_, Limits(len(data_), max_decoded_pixels=320, max_pixels=320, min_side=16))
    assert found.pixels.shape == (20, 16, 3)


@pytest.mark.parametrize(
    ("data_", "named"),
    [
        (b"", "the image is empty"),
        (b"GIF89a\1\0\1\0", "a GIF"),
        (b"BM\0\0\0\0\0\0\0\0", "a BMP"),
        (b"II*\0\x08\0\0\0", "a TIFF"),
        (b"\0\0\0\x20ftypavif", "an AVIF"),
        (b"\0\0\0\x20ftypheic", "a HEIC"),
        (b"\0\0\0\x20ftypmp42", "a video"),
        (b"\0\0\1\0\1\0", "an icon"),
        (b'<?xml version="1.0"?>\n<!-- x -->\n<svg xmlns="', "an SVG"),
        (b"<!DOCTYPE html><html>", "an HTML page"),
        (b"/9j/4AAQSkZJRg", "base64"),
        (b"photo.jpg", "9 bytes that start with b'photo.jpg'"),
    ],
)
def test_the_unknown_is_named(data_, named):
    message = refusal(data_)
    assert named in message
    assert "JPEG, PNG or WebP" in message


@pytest.mark.parametrize("format_name", ["PNG", "WEBP"])
def test_animations_are_refused(photo, encoded, format_name):
    other = ImageOps.invert(photo)
    data_ = encoded(photo, format_name, save_all=True, append_images=[other, photo], duration=9)
    assert "animated (3 frames): send one frame as a still image" in refusal(data_)


def endless_tables(entries: int, size: int) -> bytes:
    """An EXIF block whose every entry claims the whole block as its value."""
    table = b"".join(struct.pack("<HHII", tag, 7, size - 64, 8) for tag in range(1, entries))
    tables = b"II*\0" + struct.pack("<IH", 8, entries) + table
    return tables + bytes(size - len(tables))


def test_metadata_that_unpacks_to_gigabytes_is_left_packed(png_with, photo, encoded):
    header = (b"IHDR", struct.pack(">IIBBBBB", 16, 16, 8, 0, 0, 0, 0))
    pixels = (b"IDAT", zlib.compress(bytes(17 * 16)))
    bomb = b"a\0\0" + zlib.compress(bytes(64 << 20))
    exif = endless_tables(5_000, 3 << 20)
    for metadata in ([(b"zTXt", bomb)] * 40, [(b"iCCP", bomb)] * 40, [(b"eXIf", exif)]):
        data_ = png_with(header, *metadata, pixels, *metadata, (b"IEND", b""))
        assert not pixels_of(data_).any()
    exif = b"Exif\0\0" + endless_tables(5_000, 65_000)
    segments = struct.pack(">HH", 0xFFE1, 2 + len(exif)) + exif
    whole = encoded(photo, "JPEG")
    data_ = whole[:2] + segments * 60 + whole[2:]
    assert (pixels_of(data_) == pixels_of(whole)).all()
    exif = endless_tables(5_000, 3 << 20)
    data_ = encoded(photo, "WEBP", icc_profile=bomb, exif=exif, xmp=bomb)
    assert all(metadata in data_ for metadata in (b"ICCP", exif, b"XMP "))
    assert (pixels_of(data_) == pixels_of(encoded(photo, "WEBP"))).all()


def test_a_png_of_endless_chunks_is_refused(png_with):
    header = struct.pack(">IIBBBBB", 16, 16, 8, 0, 0, 0, 0)
    data_ = png_with((b"IHDR", header)) + png_with((b"teST", b""))[8:] * 70_000
    assert "more than 65536 chunks" in refusal(data_)


def scans(photo: Image.Image, encoded, count: int) -> bytes:
    """A progressive JPEG with `count` scans more than it needs."""
    whole = encoded(photo, "JPEG", progressive=True)
    return whole[:-2] + whole[whole.rindex(b"\xff\xda") : -2] * count + whole[-2:]


def test_a_jpeg_of_endless_scans_is_refused(photo, encoded):
    assert "522 scans, more than the 512" in refusal(scans(photo, encoded, 512))


def test_large_pictures_may_have_fewer_scans(photo, encoded, monkeypatch):
    monkeypatch.setattr("image_decoder.MAX_JPEG_SCANNED_PIXELS", 20 * 181 * 127)
    decode(scans(photo, encoded, 10), LIMITS)
    words = "181 x 127 pixels and 21 scans, more than the 20 that are accepted at this size"
    assert words in refusal(scans(photo, encoded, 11))


def test_scans_are_counted_to_the_end_of_the_picture_alone(photo, encoded):
    film = encoded(photo, "JPEG", restart_marker_rows=1) + b"\xff\xda\0\x0c" * 5_000
    assert (pixels_of(film) == pixels_of(film[:-20_000])).all()


@pytest.mark.parametrize("colour_type", [0, 2, 3, 4, 6])
def test_a_transparency_longer_than_a_palette_is_refused(png_with, colour_type):
    header = struct.pack(">IIBBBBB", 16, 16, 8, colour_type, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"PLTE", bytes(768))]
    end = [(b"IDAT", zlib.compress(bytes(16 * 65))), (b"IEND", b"")]
    assert pixels_of(png_with(*chunks, (b"tRNS", bytes(256)), *end)).shape == (16, 16, 3)
    words = refusal(png_with(*chunks, (b"tRNS", bytes(257)), *end))
    assert "damaged or cut off (its transparency is longer than a palette)" in words


def test_two_sizes_in_one_file_are_refused(png_with):
    large, small = (struct.pack(">IIBBBBB", n, n, 8, 0, 0, 0, 0) for n in (4000, 16))
    data_ = png_with((b"IHDR", small), (b"IHDR", large), (b"IDAT", b""), (b"IEND", b""))
    assert "two different sizes" in refusal(data_)


@pytest.fixture(scope="module")
def large() -> Image.Image:
    """A photograph of 1203 x 801 pixels."""
    return Image.fromarray(data.coffee()).resize((1203, 801), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("longest_side", [16, 150, 151, 400, 602, 1000, 1203, 9999])
def test_the_longest_side(large, encoded, format_name, longest_side):
    found = decode(encoded(large, format_name, quality=95), LIMITS, longest_side=longest_side)
    height, width = found.pixels.shape[:2]
    assert width == min(longest_side, 1203)
    assert height == max(16, round(width * 801 / 1203))
    assert (found.width, found.height) == (1203, 801)
    assert found.original.shape == (0, 0, 3)
    expected = large.resize((width, height), Image.Resampling.LANCZOS)
    assert difference(found.pixels, expected) < 3


def test_a_picture_of_more_pixels_than_the_network_takes_is_scaled_down(large, encoded):
    limits = replace(LIMITS, max_pixels=100_000)
    for wanted in (None, 1000):
        found = decode(encoded(large, "JPEG"), limits, longest_side=wanted)
        assert found.pixels.shape == (258, 387, 3)
        assert (found.width, found.height) == (1203, 801)
    found = decode(encoded(large, "JPEG"), limits, longest_side=300)
    assert found.pixels.shape == (200, 300, 3)


@pytest.mark.parametrize("format_name", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("keep_original", [False, True])
def test_a_turned_picture_is_scaled_the_right_way(
    large, encoded, format_name, orientation, keep_original
):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = encoded(large, format_name, exif=exif, quality=95)
    found = decode(stored, LIMITS, longest_side=300, keep_original=keep_original)
    large = large.copy()
    large.getexif()[0x0112] = orientation
    upright = ImageOps.exif_transpose(large)
    assert (found.width, found.height) == upright.size
    small = (300, 200) if upright.width > upright.height else (200, 300)
    assert difference(found.pixels, upright.resize(small, Image.Resampling.LANCZOS)) < 3
    if keep_original:
        assert found.original.flags.c_contiguous
        assert difference(found.original, upright) < 3


def test_a_jpeg_that_is_scaled_down_is_never_decoded_whole(large, encoded, monkeypatch):
    sizes, to_rgb = [], image_decoder._to_rgb

    def noted(image: Image.Image, container: Container) -> Image.Image:
        sizes.append(image.size)
        return to_rgb(image, container)

    monkeypatch.setattr("image_decoder._to_rgb", noted)
    picture = encoded(large, "JPEG")
    for longest_side in (601, 602, 300, 150, 16):
        decode(picture, LIMITS, longest_side=longest_side)
    decode(picture, LIMITS, longest_side=16, keep_original=True)
    assert sizes == [(602, 401), (1203, 801), (301, 201), (151, 101), (151, 101), (1203, 801)]


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_cmyk_are_scaled_too(large, encoded, mode):
    image = cmyk(large) if mode == "CMYK" else large.convert(mode)
    found = decode(encoded(image, "JPEG", quality=95), LIMITS, longest_side=300)
    expected = large.convert("L").convert("RGB") if mode == "L" else large
    assert difference(found.pixels, expected.resize((300, 200), Image.Resampling.LANCZOS)) < 4


def test_what_is_transparent_is_white_before_it_is_scaled(encoded):
    image = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    found = decode(encoded(image, "PNG"), LIMITS, longest_side=16)
    assert (found.pixels == 255).all()


def test_the_original_is_the_whole_picture(photo, encoded):
    found = decode(encoded(photo, "PNG"), LIMITS, keep_original=True)
    assert (found.original == np.asarray(photo)).all()
    assert (found.pixels == found.original).all()


def test_a_fault_of_ours_is_not_blamed_on_the_image(photo, encoded, monkeypatch):
    def fault(*_: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr("image_decoder._to_rgb", fault)
    with pytest.raises(RuntimeError, match="a fault"):
        decode(encoded(photo, "PNG"), LIMITS)
