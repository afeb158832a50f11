"""Pictures to files."""

import io

import numpy as np
import pytest
from image_encoder import Defaults, EncodeError, encode
from PIL import Image, ImageCms
from request_options import MAX_SIDE

DEFAULTS = Defaults(jpeg_quality=95, webp_quality=90)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize(("format_name", "largest"), [("jpeg", 3), ("png", 0), ("webp", 5)])
def test_formats(photo, format_name, largest):
    pixels = np.asarray(photo)
    image = opened(encode(pixels, format_name, 0, DEFAULTS))
    assert image.format == format_name.upper()
    assert image.mode == "RGB"
    assert np.abs(np.asarray(image).astype(int) - pixels).mean() <= largest


def test_jpeg_is_baseline_and_keeps_the_resolution_of_colour(photo):
    image = opened(encode(np.asarray(photo), "jpeg", 0, DEFAULTS))
    assert "progressive" not in image.info
    assert [layer[1:3] for layer in image.layer] == [(1, 1)] * 3


@pytest.mark.parametrize("format_name", ["jpeg", "webp"])
def test_quality(photo, format_name):
    pixels = np.asarray(photo)
    sizes = [len(encode(pixels, format_name, quality, DEFAULTS)) for quality in (1, 50, 100)]
    assert sizes[0] < sizes[1] < sizes[2]
    default = getattr(DEFAULTS, f"{format_name}_quality")
    assert encode(pixels, format_name, 0, DEFAULTS) == encode(
        pixels, format_name, default, DEFAULTS
    )


def test_webp_of_twenty_four_million_pixels_of_noise():
    noise = np.random.default_rng(0).integers(0, 256, (4000, 6000, 3), np.uint8)
    assert opened(encode(noise, "webp", 0, DEFAULTS)).size == (6000, 4000)


def test_png_takes_no_notice_of_quality(photo):
    pixels = np.asarray(photo)
    assert encode(pixels, "png", 1, DEFAULTS) == encode(pixels, "png", 0, DEFAULTS)


def test_unknown_formats():
    with pytest.raises(EncodeError, match="format 'gif' cannot be written"):
        encode(np.zeros((16, 16, 3), np.uint8), "gif", 0, DEFAULTS)


@pytest.mark.parametrize("format_name", ["jpeg", "png", "webp"])
@pytest.mark.parametrize("quality", [-1, 101])
def test_unknown_qualities(format_name, quality):
    with pytest.raises(EncodeError, match=f"quality {quality} is not from 1 to 100"):
        encode(np.zeros((16, 16, 3), np.uint8), format_name, quality, DEFAULTS)


@pytest.mark.parametrize("format_name", ["jpeg", "webp"])
def test_sides_that_a_format_cannot_hold(format_name):
    side = MAX_SIDE[format_name]
    assert encode(np.zeros((1, side, 3), np.uint8), format_name, 1, DEFAULTS)
    words = f"a picture of 1 x {side + 1} pixels cannot be written as {format_name}"
    with pytest.raises(EncodeError, match=words):
        encode(np.zeros((side + 1, 1, 3), np.uint8), format_name, 1, DEFAULTS)


@pytest.mark.parametrize("format_name", ["jpeg", "png", "webp"])
def test_the_profile_lies_in_the_file(photo, format_name):
    pixels = np.asarray(photo)
    assert "icc_profile" not in opened(encode(pixels, format_name, 0, DEFAULTS)).info
    for profile in (PROFILE, PROFILE * 300):
        image = opened(encode(pixels, format_name, 0, DEFAULTS, profile))
        assert image.info["icc_profile"] == profile
