import numpy as np
import pytest

from atelier import InvalidRequest
from atelier._styles import style_text


@pytest.mark.parametrize(
    ("style", "text"),
    [
        ("great_wave", "great_wave"),
        ("great_wave:0.7,udnie:0.3", "great_wave:0.7,udnie:0.3"),
        ({"great_wave": 0.7, "udnie": 0.3}, "great_wave:0.7,udnie:0.3"),
        ({"udnie": 1}, "udnie:1.0"),
        ({"udnie": np.float32(0.25)}, "udnie:0.25"),
    ],
)
def test_styles_as_people_write_them(style, text):
    assert style_text(style) == text


@pytest.mark.parametrize(
    ("style", "reason"),
    [
        (None, "style is a NoneType"),
        (["udnie", "great_wave"], "style is a list"),
        ({"udnie": "a lot"}, "weight of 'udnie' is 'a lot'"),
    ],
)
def test_styles_of_other_kinds(style, reason):
    with pytest.raises(TypeError, match=reason):
        style_text(style)


@pytest.mark.parametrize(
    ("style", "reason"),
    [
        ({}, "empty"),
        ({"": 1.0}, "''"),
        ({"a:b": 1.0}, "'a:b'"),
        ({"a,b": 1.0}, "'a,b'"),
        ({"udnie": float("nan")}, "finite"),
        ({"udnie": float("inf")}, "finite"),
    ],
)
def test_mixes_that_cannot_be_written(style, reason):
    with pytest.raises(InvalidRequest, match=reason):
        style_text(style)
