"""Pictures to files, and what a request may ask about them."""

import io

import numpy as np
import pytest
from image_encoder import Defaults, OptionsError, choose_options, encode
from PIL import Image

DEFAULTS = Defaults(jpeg_quality=95, webp_quality=90, png_compress_level=1)


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize(("format_name", "largest"), [("jpeg", 3), ("png", 0), ("webp", 5)])
def test_formats(photo, format_name, largest):
    pixels = np.asarray(photo)
    image = opened(encode(pixels, format_name, None, DEFAULTS))
    assert image.format == format_name.upper()
    assert image.mode == "RGB"
    assert np.abs(np.asarray(image).astype(int) - pixels).mean() <= largest


def test_jpeg_is_baseline_and_keeps_the_resolution_of_colour(photo):
    image = opened(encode(np.asarray(photo), "jpeg", None, DEFAULTS))
    assert "progressive" not in image.info
    assert [layer[1:3] for layer in image.layer] == [(1, 1)] * 3


@pytest.mark.parametrize("format_name", ["jpeg", "webp"])
def test_quality(photo, format_name):
    pixels = np.asarray(photo)
    sizes = [len(encode(pixels, format_name, quality, DEFAULTS)) for quality in (1, 50, 100)]
    assert sizes[0] < sizes[1] < sizes[2]
    default = getattr(DEFAULTS, f"{format_name}_quality")
    assert encode(pixels, format_name, None, DEFAULTS) == encode(
        pixels, format_name, default, DEFAULTS
    )


def test_png_takes_no_notice_of_quality(photo):
    pixels = np.asarray(photo)
    assert encode(pixels, "png", 1, DEFAULTS) == encode(pixels, "png", None, DEFAULTS)


@pytest.mark.parametrize(
    ("parameters", "options"),
    [
        ({}, ("png", None)),
        ({"format": "webp"}, ("webp", None)),
        ({"quality": 1}, ("png", 1)),
        ({"quality": "100", "format": "jpeg"}, ("jpeg", 100)),
        ({"strength": 0.5}, ("png", None)),
    ],
)
def test_the_request_wins_over_the_source(parameters, options):
    assert choose_options(parameters, "png") == options


@pytest.mark.parametrize("format_name", ["gif", "JPEG", "jpg", "", 3, True])
def test_unknown_formats(format_name):
    with pytest.raises(OptionsError, match="use jpeg, png or webp"):
        choose_options({"format": format_name}, "png")


@pytest.mark.parametrize("quality", [0, 101, -1, "0", "95.0", "", "high", 3.5, True, "9" * 5000])
def test_unknown_qualities(quality):
    with pytest.raises(OptionsError, match="use 1 to 100"):
        choose_options({"quality": quality}, "png")


@pytest.mark.parametrize(("format_name", "side"), [("jpeg", 65_500), ("webp", 16_383)])
def test_sides_that_a_format_cannot_hold(format_name, side):
    assert encode(np.zeros((1, side, 3), np.uint8), format_name, 1, DEFAULTS)
    with pytest.raises(OptionsError, match=f"limited to {side}: use format 'png'"):
        encode(np.zeros((side + 1, 1, 3), np.uint8), format_name, 1, DEFAULTS)
