"""What a request may ask about the file that it gets back."""

import pytest
from answer_options import MAX_SIDE, OptionsError, check_sides, read_options
from image_decoder import _READERS


@pytest.mark.parametrize(
    ("parameters", "options"),
    [
        ({}, (None, 0)),
        ({"format": "webp"}, ("webp", 0)),
        ({"quality": 1}, (None, 1)),
        ({"quality": "100", "format": "jpeg"}, ("jpeg", 100)),
        ({"strength": 0.5}, (None, 0)),
    ],
)
def test_what_can_be_asked(parameters, options):
    assert read_options(parameters) == options


@pytest.mark.parametrize("format_name", ["gif", "JPEG", "jpg", "", 3, True, None])
def test_unknown_formats(format_name):
    with pytest.raises(OptionsError, match="use jpeg, png or webp"):
        read_options({"format": format_name})


@pytest.mark.parametrize(
    "quality", [0, 101, -1, "0", "95.0", "", "high", 3.5, True, None, "9" * 5000]
)
def test_unknown_qualities(quality):
    with pytest.raises(OptionsError, match="use 1 to 100"):
        read_options({"quality": quality})


def test_every_format_that_comes_in_can_go_out():
    assert {name.lower() for name in _READERS} <= MAX_SIDE.keys()


@pytest.mark.parametrize(("format_name", "side"), [("jpeg", 65_500), ("webp", 16_383)])
def test_sides_that_a_format_cannot_hold(format_name, side):
    for width, height in ((1, side), (side, 1)):
        check_sides(format_name, width, height)
    for width, height in ((1, side + 1), (side + 1, 1)):
        with pytest.raises(OptionsError, match=f"limited to {side}: use format 'png'"):
            check_sides(format_name, width, height)
