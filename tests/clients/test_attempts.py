import pytest

from atelier import InvalidRequest, Overloaded
from atelier._attempts import FIRST_PAUSE, LONGEST_PAUSE, Attempts


def test_pauses_grow_to_a_limit_and_are_jittered():
    pauses = []
    for _ in range(50):
        attempts = Attempts(timeout=None, retries=None)
        pauses.append([attempts.pause_after(Overloaded("full")) for _ in range(8)])
    for number, same in enumerate(zip(*pauses, strict=True)):
        longest = min(FIRST_PAUSE * 2**number, LONGEST_PAUSE)
        assert longest / 2 <= min(same) < max(same) <= longest


def test_an_error_that_stays_is_raised_at_once():
    error = InvalidRequest("no")
    with pytest.raises(InvalidRequest) as caught:
        Attempts(timeout=None, retries=None).pause_after(error)
    assert caught.value is error


def test_no_pause_beyond_the_deadline():
    with pytest.raises(Overloaded):
        Attempts(timeout=FIRST_PAUSE / 4, retries=None).pause_after(Overloaded("full"))


def test_no_retries():
    with pytest.raises(Overloaded):
        Attempts(timeout=None, retries=0).pause_after(Overloaded("full"))


def test_no_timeout_is_no_limit():
    assert Attempts(timeout=None, retries=0).remaining() is None
