"""How far from the photograph, as clients write it."""

import math

import pytest
from strength import StrengthError, read_strength


@pytest.mark.parametrize(
    ("parameters", "strength"),
    [
        ({}, 1),
        ({"quality": 80}, 1),
        ({"strength": 0}, 0),
        ({"strength": 1}, 1),
        ({"strength": 2}, 2),
        ({"strength": 0.7}, 0.7),
        ({"strength": 5e-324}, 5e-324),
        ({"strength": "0.5"}, 0.5),
        ({"strength": ".5"}, 0.5),
        ({"strength": "2"}, 2),
        ({"strength": "1e-1"}, 0.1),
        ({"strength": "+1."}, 1),
        ({"strength": 1e-7}, 1e-7),
    ],
)
def test_strengths(parameters, strength):
    assert read_strength(parameters) == strength


@pytest.mark.parametrize(
    "strength",
    [
        *(-0.01, 2.01, 3, -1, math.nan, math.inf, -math.inf, True, False, None),
        *("١", "1_0e-1", " 1", "0x1", "1.0.0"),
        *("", "much", "nan", "inf", "1e999", "-1", "2.5", "50%", "0,5", "1/2", "9" * 5000),
    ],
)
def test_what_is_no_strength(strength):
    with pytest.raises(StrengthError) as caught:
        read_strength({"strength": strength})
    assert str(caught.value).startswith(f"strength {strength!r}"[:60])
    assert "use a number from 0, the photograph, to 2" in str(caught.value)
    assert len(str(caught.value)) < 200
