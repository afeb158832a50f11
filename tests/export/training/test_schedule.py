import pytest

from atelier_export.training.schedule import trapezoid


def test_the_learning_rate_rises_stays_and_falls_to_zero():
    assert [trapezoid(step, 1000) for step in (0, 99, 500, 750)] == [0.01, 1, 1, 1]
    assert trapezoid(875, 1000) == 0.5
    assert trapezoid(1000, 1000) == 0
    assert trapezoid(0, 1) == 1
    assert trapezoid(700, 1000, decay=0.6) == pytest.approx(0.5)
