import grpc
import pytest

from atelier import InvalidRequest, Overloaded, Unreachable
from atelier._retry_policy import FIRST_PAUSE, LONGEST_PAUSE, RetryPolicy


def test_pauses_grow_to_a_limit_and_are_jittered():
    pauses = []
    for _ in range(50):
        attempts = RetryPolicy(None, None, "host:1")
        pauses.append([attempts.pause_after(Overloaded("full")) for _ in range(8)])
    for number, same in enumerate(zip(*pauses, strict=True)):
        longest = min(FIRST_PAUSE * 2**number, LONGEST_PAUSE)
        assert longest / 2 <= min(same) < max(same) <= longest


def test_whoever_has_no_limit_waits_on_and_on():
    attempts = RetryPolicy(None, None, "host:1")
    for _ in range(2000):
        assert 0 < attempts.pause_after(Overloaded("full")) <= LONGEST_PAUSE


def test_an_error_that_stays_is_raised_at_once():
    error = InvalidRequest("no")
    with pytest.raises(InvalidRequest) as caught:
        RetryPolicy(None, None, "host:1").pause_after(error)
    assert caught.value is error


def test_no_pause_beyond_the_deadline():
    with pytest.raises(Overloaded):
        RetryPolicy(FIRST_PAUSE / 4, None, "host:1").pause_after(Overloaded("full"))


def test_no_retries():
    with pytest.raises(Overloaded):
        RetryPolicy(None, 0, "host:1").pause_after(Overloaded("full"))


def test_no_timeout_is_no_limit():
    assert RetryPolicy(None, 0, "host:1").remaining() is None


def test_a_model_that_is_away_is_waited_for_as_long_as_the_time_allows():
    away = Unreachable("has no available versions", code=grpc.StatusCode.NOT_FOUND)
    attempts = RetryPolicy(None, 1, "host:1")
    for _ in range(10):
        attempts.pause_after(away)
    gone = Unreachable("nobody listens", code=grpc.StatusCode.UNAVAILABLE)
    with pytest.raises(Unreachable, match="nobody"):
        attempts.pause_after(gone)
    with pytest.raises(Unreachable):
        RetryPolicy(None, 0, "host:1").pause_after(away)
    with pytest.raises(Unreachable):
        RetryPolicy(FIRST_PAUSE / 4, 1, "host:1").pause_after(away)
