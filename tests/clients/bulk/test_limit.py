"""The limit of requests in flight, against a server that is simulated."""

import pytest

from atelier._bulk.limit import GradientLimit


def settled(limit, workers, service, answers=3000):
    """The limit after so many answers of a server with so many workers, always in full use."""
    for _ in range(answers):
        in_flight = limit.value
        limit.answered(max(1.0, in_flight / workers) * service, 1000, in_flight)
    return limit.value


@pytest.mark.parametrize("workers", [1, 2, 4, 16])
def test_it_saturates_a_server_and_hardly_queues(workers):
    for service in (0.001, 10.0):
        value = settled(GradientLimit(256), workers, service)
        assert 1.5 * workers < value <= 4 * workers + 8


def test_it_never_goes_beyond_its_ceiling():
    assert settled(GradientLimit(8), 100, 0.1) == 8


def test_large_images_are_no_sign_of_load():
    limit = GradientLimit(256)
    for _ in range(3000):
        for pixels, service in ((1000, 0.01), (1_000_000, 1.0)):
            limit.answered(max(1.0, limit.value / 8) * service, pixels, limit.value)
    assert limit.value > 12


def test_what_is_not_used_does_not_grow():
    limit = GradientLimit(256)
    before = settled(limit, 4, 0.1)
    for _ in range(1000):
        limit.answered(0.1, 1000, 1)
    assert limit.value == before


def test_a_refusal_lowers_it_and_a_restart_begins_anew():
    limit = GradientLimit(256)
    before = settled(limit, 16, 0.1)
    limit.refused()
    assert before * 0.6 < limit.value < before
    limit.restarted()
    assert limit.value == 1
    assert settled(limit, 2, 1000.0) <= 16  # What it had learnt is forgotten, too.
    for _ in range(100):
        limit.refused()
    assert limit.value == 1
