import grpc
import pytest

from atelier import Draining, InvalidRequest, Overloaded, ServerFailed, Unreachable
from atelier._retry_budget import RESERVE, RetryBudget
from atelier._retry_policy import FIRST_PAUSE, LONGEST_PAUSE, RetryPolicy

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
FULL = Overloaded("full", code=UNAVAILABLE)
NOBODY = Unreachable("nobody", code=UNAVAILABLE, details="failed to connect to all addresses")
DRAINING = Draining("stops", code=UNAVAILABLE)
SWAPPED = Unreachable("has no available versions", code=grpc.StatusCode.NOT_FOUND)
NOT_READY = Unreachable("not ready")
BROKE_OFF = Unreachable("broke off", code=UNAVAILABLE, details="Socket closed")


@pytest.fixture
def policy(clock):
    """Makes the policy of a call; they all share a budget, and the clock stands still."""
    budget = RetryBudget()

    def make(timeout=None, retries=None) -> RetryPolicy:
        return RetryPolicy(timeout, retries, "host:1", budget)

    return make


def pause(attempts: RetryPolicy, error) -> float:
    """The one pause before the next attempt."""
    (only,) = attempts.pauses_after(error)
    return only


def test_pauses_grow_to_a_limit_and_are_jittered(policy):
    pauses = []
    for _ in range(50):
        attempts = policy()
        pauses.append([pause(attempts, NOBODY) for _ in range(8)])
    for number, same in enumerate(zip(*pauses, strict=True)):
        longest = min(FIRST_PAUSE * 2**number, LONGEST_PAUSE)
        assert longest / 2 <= min(same) < max(same) <= longest


def test_whoever_has_no_limit_waits_on_and_on(policy):
    attempts = policy()
    for _ in range(2000):
        assert 0 < pause(attempts, NOBODY) <= LONGEST_PAUSE


def test_an_error_that_stays_is_raised_at_once(policy):
    error = InvalidRequest("no")
    with pytest.raises(InvalidRequest) as caught:
        next(policy().pauses_after(error))
    assert caught.value is error


def test_no_pause_beyond_the_deadline(policy):
    with pytest.raises(Overloaded):
        next(policy(FIRST_PAUSE / 4).pauses_after(FULL))


def test_no_retries(policy):
    with pytest.raises(Overloaded):
        next(policy(retries=0).pauses_after(FULL))


def test_no_timeout_is_no_limit(policy):
    assert policy().remaining() is None


def test_a_model_that_is_away_is_waited_for_as_long_as_the_time_allows(policy):
    attempts = policy(retries=1)
    for _ in range(10):
        pause(attempts, SWAPPED)
    with pytest.raises(Unreachable, match="nobody"):
        pause(attempts, NOBODY)
    with pytest.raises(Unreachable):
        pause(policy(retries=0), SWAPPED)
    with pytest.raises(Unreachable):
        pause(policy(FIRST_PAUSE / 4, 1), SWAPPED)


@pytest.mark.parametrize("error", [FULL, BROKE_OFF])
def test_what_adds_to_the_load_waits_for_the_budget(policy, clock, error):
    for _ in range(int(RESERVE)):
        pause(policy(), error)
    pauses = policy(timeout=30).pauses_after(error)
    for _ in range(3):
        assert FIRST_PAUSE / 2 <= next(pauses) <= FIRST_PAUSE
    clock.now += 2.5  # Time for a token.
    assert list(pauses) == []
    with pytest.raises(type(error)):
        list(map(clock.sleep, policy(timeout=1).pauses_after(error)))


@pytest.mark.parametrize("error", [NOBODY, DRAINING, SWAPPED, NOT_READY])
def test_what_adds_nothing_to_the_load_is_free(policy, error):
    for _ in range(10 * int(RESERVE)):
        pause(policy(), error)


def test_a_retry_that_is_served_gives_its_token_back(policy):
    for _ in range(10 * int(RESERVE)):
        attempts = policy()
        pause(attempts, FULL)
        attempts.served()


def test_another_server_is_asked_at_once(policy):
    attempts = policy()
    attempts.failed_at("a:1", elsewhere=True)
    assert list(attempts.pauses_after(FULL)) == []
    assert attempts.tried == {"a:1"}
    attempts.failed_at("b:1", elsewhere=False)
    assert attempts.tried == {"a:1", "b:1"}
    pause(attempts, FULL)
    assert attempts.tried == set()


def test_a_failure_of_the_server_is_no_reason_to_ask_another(policy):
    attempts = policy()
    attempts.failed_at("a:1", elsewhere=True)
    with pytest.raises(ServerFailed):
        list(attempts.pauses_after(ServerFailed("no memory")))
