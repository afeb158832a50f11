"""The size at which a picture is painted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from working_size import working_size

MAX_PIXELS, MIN_SIDE = 1 << 21, 16


@pytest.mark.parametrize(
    ("size", "longest_side", "expected"),
    [
        ((640, 427), None, (640, 427)),
        ((640, 427), 640, (640, 427)),
        ((640, 427), 5000, (640, 427)),
        ((640, 427), 320, (320, 214)),
        ((427, 640), 320, (214, 320)),
        ((640, 427), 16, (16, 16)),
        ((16, 16), 16, (16, 16)),
        ((17, 31), 30, (16, 30)),
        ((1448, 1448), None, (1448, 1448)),
        ((2048, 1024), None, (2048, 1024)),
        ((4000, 3000), None, (1672, 1254)),
        ((3000, 4000), None, (1254, 1672)),
        ((4000, 3000), 3000, (1672, 1254)),
        ((4000, 3000), 1024, (1024, 768)),
        ((1_000_000, 16), None, (131_072, 16)),
        ((1_000_000, 16), 100_000, (100_000, 16)),
    ],
)
def test_sizes(size, longest_side, expected):
    assert working_size(*size, longest_side, MAX_PIXELS, MIN_SIDE) == expected


sides = st.integers(16, 70_000)


@given(sides, sides, st.none() | sides, st.integers(256, MAX_PIXELS))
def test_every_size_is_one_that_the_network_takes(width, height, longest_side, max_pixels):
    size = working_size(width, height, longest_side, max_pixels, MIN_SIDE)
    assert size[0] * size[1] <= max_pixels
    assert all(
        MIN_SIDE <= small <= whole for small, whole in zip(size, (width, height), strict=True)
    )
    if longest_side is not None:
        assert max(size) <= longest_side
    if longest_side is None and width * height <= max_pixels:
        assert size == (width, height)


@given(st.integers(100, 5000), st.integers(100, 5000), st.integers(100, 5000))
def test_the_shape_is_kept_to_the_nearest_pixel(width, height, longest_side):
    small = working_size(width, height, longest_side, MAX_PIXELS, MIN_SIDE)
    scale = max(small) / max(width, height)
    if MIN_SIDE not in small:
        assert small == pytest.approx((width * scale, height * scale), abs=1)
