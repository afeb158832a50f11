"""What a request may ask for beside the picture and the style."""

import pytest
from image_decoder import _READERS
from request_options import MAX_SIDE, Options, OptionsError, check_sides, read_options


@pytest.mark.parametrize(
    ("parameters", "options"),
    [
        ({}, Options()),
        ({"format": "webp"}, Options(format="webp")),
        ({"quality": 1}, Options(quality=1)),
        ({"quality": "100", "format": "jpeg"}, Options(format="jpeg", quality=100)),
        ({"keep_colors": True}, Options(keep_colors=True)),
        ({"keep_colors": "true"}, Options(keep_colors=True)),
        ({"keep_colors": "True"}, Options(keep_colors=True)),
        ({"keep_colors": "1"}, Options(keep_colors=True)),
        ({"keep_colors": 1}, Options(keep_colors=True)),
        ({"keep_colors": False}, Options()),
        ({"keep_colors": "false"}, Options()),
        ({"keep_colors": "0"}, Options()),
        ({"keep_colors": 0}, Options()),
        ({"longest_side": 16}, Options(longest_side=16)),
        ({"longest_side": "1024"}, Options(longest_side=1024)),
        ({"longest_side": 10**9}, Options(longest_side=10**9)),
        ({"longest_side": 2**63 - 1}, Options(longest_side=2**63 - 1)),
        ({"strength": 0.5}, Options(strength=0.5)),
    ],
)
def test_what_can_be_asked(parameters, options):
    assert read_options(parameters, 16) == options


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("strenght", "did you mean strength"),
        ("keepcolors", "did you mean keep_colors"),
        ("keepColors", "did you mean keep_colors"),
        ("longest-side", "did you mean longest_side"),
        ("LONGEST_SIDE", "did you mean longest_side"),
        ("qualty", "did you mean quality"),
        ("♥", "leave it out"),
        ("x" * 5000, "leave it out"),
    ],
)
def test_an_unknown_option_is_refused_with_the_nearest(name, hint):
    with pytest.raises(OptionsError, match="is not an option of this model") as caught:
        read_options({"quality": 80, name: 1}, 16)
    assert str(caught.value).startswith(repr(name)[:50])
    assert hint in str(caught.value)
    assert len(str(caught.value)) < 250
    for known in ("format", "quality", "keep_colors", "longest_side", "strength"):
        assert known in str(caught.value).partition("its options are")[2]


def refusal(min_side: int = 16, **parameters: object) -> str:
    with pytest.raises(OptionsError) as caught:
        read_options(parameters, min_side)
    ((name, value),) = parameters.items()
    assert str(caught.value).startswith(f"{name} {value!r}"[:60])
    assert len(str(caught.value)) < 200
    return str(caught.value)


@pytest.mark.parametrize("format_name", ["gif", "JPEG", "jpg", "", 3, 0.5, True, "x" * 5000])
def test_unknown_formats(format_name):
    assert "use jpeg, png or webp" in refusal(format=format_name)


@pytest.mark.parametrize("quality", [0, 101, -1, "0", "95.0", "", "high", 3.5, True, "9" * 5000])
def test_unknown_qualities(quality):
    assert "use a whole number from 1 to 100" in refusal(quality=quality)


@pytest.mark.parametrize("keep", [2, -1, 1.0, 0.0, "yes", "no", "", " true", "t" * 5000])
def test_colors_neither_kept_nor_not(keep):
    assert "use true or false" in refusal(keep_colors=keep)


@pytest.mark.parametrize(
    "side",
    [15, 0, -512, "15", "", "512px", " 512", "5e2", "٥١٢", 512.0, 512.5, True, 10**19, "9" * 5000],
)
def test_longest_sides_that_are_none(side):
    words = refusal(longest_side=side)
    assert "use a whole number of pixels, 16 or more, in at most 19 digits" in words


def test_the_least_side_is_that_of_the_network():
    assert read_options({"longest_side": 32}, 32).longest_side == 32
    assert "32 or more" in refusal(32, longest_side=31)


def test_every_format_that_comes_in_can_go_out():
    assert {name.lower() for name in _READERS} <= MAX_SIDE.keys()


@pytest.mark.parametrize(("format_name", "side"), [("jpeg", 65_500), ("webp", 16_383)])
def test_sides_that_a_format_cannot_hold(format_name, side):
    for width, height in ((1, side), (side, 1)):
        check_sides(format_name, width, height)
    for width, height in ((1, side + 1), (side + 1, 1)):
        with pytest.raises(OptionsError, match=f"limited to {side}: use format 'png'"):
            check_sides(format_name, width, height)
