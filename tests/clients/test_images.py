import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from atelier import InvalidRequest
from atelier._images import LOSSLESS, decoded_image, encoded_image, rgb_image, served_format

RANDOM = np.random.default_rng(0)
ORIENTATION = 0x0112


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def saved(image: Image.Image, encoding: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, encoding, **options)
    return buffer.getvalue()


def pixels(*shape: int) -> np.ndarray:
    return RANDOM.integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("shape", [(31, 17, 3), (31, 17, 4), (31, 17), (1, 1, 3), (1, 16384, 3)])
def test_arrays_lose_nothing(shape):
    array = pixels(*shape)
    data, reply = encoded_image(array)
    assert reply == LOSSLESS
    np.testing.assert_array_equal(np.asarray(opened(data)), array)


def test_arrays_may_lie_anyhow_in_memory():
    array = pixels(40, 30, 3)[::-2, ::3, ::-1]
    np.testing.assert_array_equal(np.asarray(opened(encoded_image(array).data)), array)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_images_of_every_usual_mode_lose_nothing(mode):
    image = Image.fromarray(pixels(20, 30, 4)).convert(mode)
    np.testing.assert_array_equal(
        np.asarray(opened(encoded_image(image).data).convert("RGBA")),
        np.asarray(image.convert("RGBA")),
    )


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "HSV", "LAB", "RGBX", "La", "RGBa"])
def test_images_of_other_modes_become_usual_ones(mode):
    image = Image.new("RGB", (20, 30), (200, 100, 50))
    if mode == "LAB":
        image = Image.new("LAB", (20, 30), (128, 128, 128))
    elif mode == "La":
        image = image.convert("LA").convert("La")
    elif mode == "RGBa":
        image = image.convert("RGBA").convert("RGBa")
    else:
        image = image.convert(mode)
    assert opened(encoded_image(image).data).mode in {"RGB", "RGBA", "LA"}


def test_sixteen_bits_stay():
    image = Image.fromarray(RANDOM.integers(0, 2**16, (20, 30), dtype=np.uint16))
    assert image.mode == "I;16"
    sent = opened(encoded_image(image).data)
    np.testing.assert_array_equal(np.asarray(sent), np.asarray(image))


@pytest.mark.parametrize(("mode", "order"), [("I;16B", ">u2"), ("I;16L", "<u2")])
@pytest.mark.parametrize("orientation", [1, 6])
def test_sixteen_bits_of_either_byte_order_stay(mode, order, orientation):
    array = RANDOM.integers(0, 2**16, (20, 30), dtype=np.uint16)
    image = Image.frombytes(mode, (30, 20), array.astype(order).tobytes())
    image.getexif()[ORIENTATION] = orientation
    sent = opened(encoded_image(image).data)
    assert sent.mode == "I;16"
    upright = np.rot90(array, -1) if orientation == 6 else array
    np.testing.assert_array_equal(np.asarray(sent), upright)


def test_a_sixteen_bit_file_stays():
    array = RANDOM.integers(0, 2**16, (20, 30), dtype=np.uint16)
    image = Image.frombytes("I;16B", (30, 20), array.astype(">u2").tobytes())
    data = saved(image, "TIFF")
    assert opened(data).mode == "I;16B"
    np.testing.assert_array_equal(np.asarray(opened(encoded_image(data).data)), array)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
@pytest.mark.parametrize("width", [30, 16384])
def test_a_transparent_colour_stays_transparent(mode, width):
    image = Image.new("RGB", (width, 20), "white")
    image.paste("black", (0, 0, 10, 20))
    image = image.convert(mode)
    key = image.getpixel((0, 0))
    image = opened(saved(image, "PNG", transparency=key))
    assert image.mode == mode
    sent = opened(encoded_image(image).data).convert("RGBA")
    assert sent.getpixel((0, 0)) == (0, 0, 0, 0)
    assert sent.getpixel((10, 0)) == (255, 255, 255, 255)


def test_a_photograph_opened_with_pil_stands_upright():
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    lying = Image.open(io.BytesIO(saved(Image.fromarray(pixels(20, 30, 3)), "JPEG", exif=exif)))
    assert opened(encoded_image(lying).data).size == (20, 30)
    assert lying.size == (30, 20)


PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "RGBA", "CMYK"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_the_colour_profile_goes_along(mode, orientation):
    stored = Image.fromarray(pixels(20, 30, 3)).convert(mode)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    image = opened(saved(stored, "TIFF", icc_profile=PROFILE, exif=exif))
    assert opened(encoded_image(image).data).info["icc_profile"] == PROFILE
    del image.info["icc_profile"]
    assert "icc_profile" not in opened(encoded_image(image).data).info


def test_the_colour_profile_of_a_file_in_another_format_goes_along():
    data = saved(Image.fromarray(pixels(20, 30, 3)), "TIFF", icc_profile=PROFILE)
    assert opened(encoded_image(data).data).info["icc_profile"] == PROFILE


def test_a_file_in_another_format_loses_nothing():
    image = Image.fromarray(pixels(20, 30, 3))
    for encoding in ("TIFF", "BMP", "PPM"):
        data, reply = encoded_image(saved(image, encoding))
        assert reply == LOSSLESS
        np.testing.assert_array_equal(np.asarray(opened(data)), np.asarray(image))


def test_the_format_is_read_from_the_first_bytes(picture):
    for encoding in ("jpeg", "png", "webp"):
        assert served_format(picture(encoding)) == encoding
    assert served_format(picture("gif")) is None
    assert served_format(b"") is None


def test_files_that_are_no_picture():
    frames = [Image.new("L", (8, 8), shade) for shade in (0, 255)]
    animation = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    cut = saved(Image.fromarray(pixels(64, 64, 3)), "BMP")[:1000]
    for data, reason in (
        (b"", "no bytes"),
        (b"hello", "not an image in a known format"),
        (animation, "several frames"),
        (cut, "cannot be read"),
    ):
        with pytest.raises(InvalidRequest, match=reason):
            encoded_image(data)


def test_damaged_files_of_every_kind_are_told_alike():
    image = Image.fromarray(pixels(24, 24, 3))
    tiff = saved(image, "TIFF", save_all=True, append_images=[image])
    second_width = tiff.rindex(struct.pack("<HHI", 256, 4, 1))
    for data in (
        saved(image, "DDS")[:100],
        saved(image, "IM").replace(b"24", b"2?"),
        saved(image, "PPM").replace(b"24", b"2?"),
        saved(image, "SGI").replace(b"\0\x18\0\x03", b"\0\x18\0\x09"),
        tiff[:second_width] + bytes(2) + tiff[second_width + 2 :],
    ):
        with pytest.raises(InvalidRequest, match=r"image: (cannot be read|not an image)"):
            encoded_image(data)


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((8, 8, 3), np.float32), r"float32; give uint8.*astype"),
        (np.zeros((8, 8, 3), np.int64), "int64"),
        (np.zeros((8, 8, 2), np.uint8), r"shape \(8, 8, 2\)"),
        (np.zeros((1, 8, 8, 3), np.uint8), r"shape \(1, 8, 8, 3\)"),
        (np.zeros((3, 8, 8), np.uint8), r"shape \(3, 8, 8\)"),
        (np.zeros(8, np.uint8), r"shape \(8,\)"),
        (np.zeros((0, 8, 3), np.uint8), r"shape \(0, 8, 3\)"),
    ],
)
def test_arrays_that_are_no_picture(array, reason):
    with pytest.raises(InvalidRequest, match=reason):
        encoded_image(array)


def test_images_that_are_no_picture():
    with pytest.raises(InvalidRequest, match="nothing in it"):
        encoded_image(Image.new("RGB", (0, 5)))
    for mode in ("F", "I"):
        with pytest.raises(InvalidRequest, match=f"mode {mode} has no fixed range"):
            encoded_image(Image.new(mode, (5, 5)))


@pytest.mark.parametrize("source", [None, 5, [1, 2], object()])
def test_things_that_are_no_source(source):
    with pytest.raises(TypeError, match="give a path, bytes"):
        encoded_image(source)


def test_a_file_opened_as_text(tmp_path):
    path = tmp_path / "photo.txt"
    path.write_text("text")
    with path.open() as file, pytest.raises(TypeError, match="'rb'"):
        encoded_image(file)


class Upload:
    """A file as asyncio's web frameworks have it."""

    async def read(self) -> bytes:
        return b""


def test_a_file_that_is_to_be_awaited():
    with pytest.raises(TypeError, match=r"read\(\) of Upload is a coroutine; await it first"):
        encoded_image(Upload())


def test_a_decoded_image_is_wholly_in_memory(picture):
    data = bytearray(picture("png"))
    image = decoded_image(bytes(data))
    assert image.size == (20, 16)
    assert image.getpixel((0, 0)) is not None


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("L", (5, 5), 77), (77, 77, 77)),
        (Image.new("1", (5, 5), 1), (255, 255, 255)),
        (Image.new("CMYK", (5, 5), (0, 255, 255, 0)), (255, 0, 0)),
        (Image.new("RGBA", (5, 5), (10, 20, 30, 255)), (10, 20, 30)),
        (Image.new("RGBA", (5, 5), (10, 20, 30, 0)), (255, 255, 255)),
        (Image.new("RGBA", (5, 5), (0, 0, 0, 51)), (204, 204, 204)),
        (Image.new("LA", (5, 5), (0, 0)), (255, 255, 255)),
        (Image.new("La", (5, 5), (0, 0)), (255, 255, 255)),
        (Image.fromarray(np.full((5, 5), 65535, np.uint16)), (255, 255, 255)),
        (Image.fromarray(np.full((5, 5), 25700, np.uint16)), (100, 100, 100)),
    ],
)
def test_every_mode_becomes_rgb(image, expected):
    rgb = rgb_image(image)
    assert rgb.mode == "RGB"
    assert rgb.size == (5, 5)
    assert rgb.getpixel((2, 2)) == expected


def test_a_transparent_colour_is_white():
    image = Image.new("RGB", (5, 5), "red")
    image.putpixel((0, 0), (0, 255, 0))
    clear = rgb_image(saved(image, "PNG", transparency=(255, 0, 0)))
    assert clear.getpixel((3, 3)) == (255, 255, 255)
    assert clear.getpixel((0, 0)) == (0, 255, 0)


@pytest.mark.parametrize("exif", [b"Exif\0\0XXXXXXXX", b"Exif\0\0II*\0"])
def test_an_image_with_a_broken_note_on_its_orientation_lies_as_it_lies(exif):
    image = opened(saved(Image.new("RGB", (32, 24)), "PNG", exif=exif))
    assert opened(encoded_image(image).data).size == (32, 24)
    assert rgb_image(image).size == (32, 24)


def test_only_one_of_the_sixteen_bit_values_is_transparent():
    ramp = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    file = saved(Image.fromarray(ramp), "PNG", transparency=0x0123)
    rgb = np.asarray(rgb_image(file))
    expected = np.where(ramp == 0x0123, 255, (ramp.astype(int) + 128) // 257)
    assert (rgb == expected[..., np.newaxis]).all()


def test_a_cameras_small_copies_are_left_out():
    image = Image.fromarray(pixels(24, 32, 3))
    mpo = saved(image, "MPO", save_all=True, append_images=[image.resize((8, 6))])
    assert rgb_image(mpo).size == (32, 24)


def test_an_animation_is_refused_by_its_name():
    image = Image.fromarray(pixels(24, 24, 3))
    for encoding in ("WEBP", "PNG", "GIF"):
        data = saved(image, encoding, save_all=True, append_images=[image.rotate(90)])
        with pytest.raises(InvalidRequest, match=f"mask: a {encoding} of several frames; give one"):
            rgb_image(data, "mask")


def test_a_cut_off_file_is_refused():
    data = saved(Image.fromarray(pixels(64, 64, 3)), "JPEG")
    with pytest.raises(InvalidRequest, match="image: cannot be read: image file is truncated"):
        rgb_image(data[: len(data) // 2])
