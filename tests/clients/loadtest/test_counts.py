"""The counts of requests behind a percentile, and the moments of a plan."""

import numpy as np
import pytest

from atelier._loadtest.confidence import at_most, least_requests, ranks
from atelier._loadtest.profile import moments, ramp, steady, trace


@pytest.mark.parametrize(("late", "count"), [(0, 459), (1, 662), (10, 2010)])
def test_a_p99_needs_so_many_requests(late, count):
    assert least_requests(0.99, late) == count
    assert at_most(count, 0.01, late) <= 0.01 < at_most(count - 1, 0.01, late)


def test_a_percentile_is_refused_one_request_below_its_count():
    assert ranks(458, 0.99) is None
    assert ranks(459, 0.99).high == 459


def test_a_poisson_plan_has_its_rate_and_a_constant_one_its_distance():
    poisson = moments(steady(100, 100), "poisson", np.random.default_rng(0))
    assert len(poisson) == pytest.approx(10_000, abs=400)
    assert np.std(np.diff(poisson)) == pytest.approx(0.01, rel=0.05)
    constant = moments(steady(4, 2), "constant", np.random.default_rng(0))
    assert constant.tolist() == [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75]


def test_the_first_half_of_a_ramp_has_fewer_requests():
    plan = moments(ramp(100, 300, 10), "constant", np.random.default_rng(0))
    assert len(plan) == 2000
    assert (plan < 5).sum() == pytest.approx(750, abs=1)


def test_a_trace_that_cannot_be_read_is_named(tmp_path):
    file = tmp_path / "trace.txt"
    file.write_text("# seconds\n5\n7.5\nsoon\n")
    with pytest.raises(ValueError, match="line 4: 'soon' is no number of seconds"):
        trace(file)
    file.write_text("5\n7.5\n")
    assert trace(file).tolist() == [0, 2.5]
