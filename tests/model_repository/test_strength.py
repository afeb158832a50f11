"""How far from the photograph, as clients write it."""

import math

import pytest
from strength import StrengthError, read_strength


@pytest.mark.parametrize(
    ("value", "strength"),
    [
        (0, 0),
        (1, 1),
        (2, 2),
        (0.7, 0.7),
        (5e-324, 5e-324),
        ("0.5", 0.5),
        (".5", 0.5),
        ("2", 2),
        ("1e-1", 0.1),
        ("+1.", 1),
        (1e-7, 1e-7),
    ],
)
def test_strengths(value, strength):
    assert read_strength(value) == strength


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
        read_strength(strength)
    assert str(caught.value).startswith(f"strength {strength!r}"[:60])
    assert "use a number from 0, the photograph, to 2" in str(caught.value)
    assert len(str(caught.value)) < 200
