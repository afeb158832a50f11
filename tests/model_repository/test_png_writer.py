"""PNG files, read by others."""

import io
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms
from png_writer import write_png
from skimage import data

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 2), (2, 1), (16, 16), (127, 181), (90_000, 3), (3, 90_000)]
)
def test_pixels_come_back_as_they_went(size):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    image = Image.open(io.BytesIO(write_png(pixels, b"")))
    image.verify()
    image = Image.open(io.BytesIO(write_png(pixels, b"")))
    assert (image.format, image.mode) == ("PNG", "RGB")
    assert "icc_profile" not in image.info
    np.testing.assert_array_equal(np.asarray(image), pixels)


def test_the_profile_lies_before_the_pixels(photo):
    written = write_png(np.asarray(photo), PROFILE)
    assert written.index(b"IHDR") < written.index(b"iCCP") < written.index(b"IDAT")
    assert Image.open(io.BytesIO(written)).info["icc_profile"] == PROFILE


@pytest.mark.parametrize("name", ["astronaut", "coffee"])
def test_it_packs_as_well_as_a_general_writer_at_its_quickest(name):
    pixels = getattr(data, name)()
    general = io.BytesIO()
    Image.fromarray(pixels).save(general, "PNG", compress_level=1)
    assert len(write_png(pixels, b"")) < 1.02 * len(general.getvalue())


def test_even_pictures_become_small():
    assert len(write_png(np.full((1000, 1000, 3), 200, np.uint8), b"")) < 20_000


def test_checksums_are_right(photo):
    written, position, kinds = write_png(np.asarray(photo), PROFILE), 8, []
    while position < len(written):
        length = int.from_bytes(written[position : position + 4])
        end = position + 12 + length
        kinds.append(written[position + 4 : position + 8])
        checksum = zlib.crc32(written[position + 4 : end - 4])
        assert int.from_bytes(written[end - 4 : end]) == checksum
        position = end
    assert kinds == [b"IHDR", b"iCCP", b"IDAT", b"IEND"]
