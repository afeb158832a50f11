"""The policy over several servers, without a server."""

from contextlib import ExitStack

import grpc
import pytest

from atelier._balancer import (
    FAILURES,
    FIRST_ASIDE,
    LONGEST_ASIDE,
    OVERLOADED_ASIDE,
    PROBE_SECONDS,
    SILENCE,
    Balancer,
)
from atelier._transport import StatusError

REFUSED = (grpc.StatusCode.UNAVAILABLE, "failed to connect to all addresses")
DRAINING = (grpc.StatusCode.UNAVAILABLE, "Server is stopping to serve requests.")
QUEUE_FULL = (grpc.StatusCode.UNAVAILABLE, "Exceeds maximum queue size")
TOO_LATE = (grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")
BROKEN = (grpc.StatusCode.INTERNAL, "no memory")
WRONG = (grpc.StatusCode.INVALID_ARGUMENT, "no image")


class Servers:
    """A balancer over a, b and c with a clock in the hands of the test."""

    def __init__(self) -> None:
        self.now = 100.0
        self.balancer = Balancer(lambda: self.now)
        self.balancer.keep("abc")

    def asked(self, tried=()) -> str:
        """Which one answers the next request."""
        with self.balancer.attempt(tried) as attempt:
            return attempt.server.target

    def fails(self, status, *, only=None, tried=()) -> StatusError:
        """Has the next request fail, at a server of one's choice."""
        others = set("abc") - {only} if only else tried
        with pytest.raises(StatusError) as caught, self.balancer.attempt(others):
            raise StatusError(*status)
        return caught.value

    def used(self) -> set[str]:
        return {self.asked() for _ in range(9)}


@pytest.fixture
def servers() -> Servers:
    return Servers()


def test_the_one_with_the_least_in_flight_is_next(servers):
    with ExitStack() as requests:
        first = [requests.enter_context(servers.balancer.attempt()).server.target for _ in range(6)]
        assert sorted(first) == list("aabbcc")
        for _ in range(3):
            requests.enter_context(servers.balancer.attempt({"b", "c"}))
        assert servers.used() == {"b", "c"}


def test_servers_that_are_equally_busy_take_turns(servers):
    assert [servers.asked() for _ in range(6)] == list("abcabc")


@pytest.mark.parametrize("status", [REFUSED, DRAINING, QUEUE_FULL])
def test_one_that_takes_nothing_is_set_aside_at_once(servers, status):
    assert servers.fails(status, only="b").server == "b"
    assert servers.used() == {"a", "c"}


@pytest.mark.parametrize("status", [BROKEN, TOO_LATE])
def test_one_that_fails_is_set_aside_after_some_failures_in_a_row(servers, status):
    for _ in range(FAILURES - 1):
        servers.fails(status, only="b")
    assert "b" in servers.used()  # An answer: the row is at its end.
    for _ in range(FAILURES):
        servers.fails(status, only="b")
    assert servers.used() == {"a", "c"}


def test_refusals_are_answers(servers):
    for _ in range(2 * FAILURES):
        assert not servers.fails(WRONG, only="b").elsewhere
    assert servers.used() == set("abc")


def test_a_call_goes_elsewhere_as_long_as_there_is_somebody(servers):
    tried = set()
    for left in (True, True, False):
        error = servers.fails(DRAINING, tried=tried)
        assert error.elsewhere is left
        assert error.server not in tried
        tried.add(error.server)
    assert tried == set("abc")


def test_where_all_are_set_aside_they_are_used_all_the_same(servers):
    for name in "abc":
        servers.fails(REFUSED, only=name)
    assert servers.asked() == "a"
    assert servers.used() == {"a"}  # It has answered.


def test_one_that_is_set_aside_is_probed_later_and_comes_back(servers):
    servers.fails(REFUSED, only="b")
    servers.now += FIRST_ASIDE / 2
    assert servers.balancer.due_probes() == []
    servers.now += FIRST_ASIDE / 2
    assert servers.balancer.due_probes() == ["b"]
    assert servers.balancer.due_probes() == []
    servers.balancer.probed("b", None)
    assert servers.used() == set("abc")


def test_each_time_it_is_probed_later(servers):
    servers.fails(REFUSED, only="b")
    waits = []
    for _ in range(6):
        waited = 0.0
        while not servers.balancer.due_probes():
            servers.now += 0.125
            waited += 0.125
        waits.append(waited)
        servers.balancer.probed("b", *REFUSED)
    assert waits == [1, 2, 4, 8, LONGEST_ASIDE, LONGEST_ASIDE]


def test_one_that_comes_back_and_fails_is_set_aside_again_for_longer(servers):
    servers.fails(DRAINING, only="b")
    servers.now += FIRST_ASIDE
    servers.balancer.due_probes()
    servers.balancer.probed("b", None)
    servers.fails(BROKEN, only="b")
    servers.now += FIRST_ASIDE
    assert servers.balancer.due_probes() == []
    servers.now += FIRST_ASIDE
    assert servers.balancer.due_probes() == ["b"]


def test_whoever_is_overloaded_is_set_aside_briefly(servers):
    servers.fails(QUEUE_FULL, only="b")
    servers.now += OVERLOADED_ASIDE
    assert servers.balancer.due_probes() == ["b"]


def test_an_answer_to_an_earlier_request_does_not_bring_a_stopping_server_back(servers):
    with servers.balancer.attempt({"a", "c"}):
        servers.now += 1
        servers.fails(DRAINING, only="b")
    assert servers.used() == {"a", "c"}


def test_a_silent_server_is_probed_and_its_requests_are_lost_if_it_hangs(servers):
    with servers.balancer.attempt({"a", "c"}) as attempt:
        servers.now += SILENCE
        assert servers.balancer.due_probes(attempt) == []
        servers.now += 0.1
        assert servers.balancer.due_probes(attempt) == ["b"]
        assert servers.balancer.due_probes(attempt) == []
        assert not servers.balancer.is_lost(attempt)
        servers.now += PROBE_SECONDS
        servers.balancer.probed("b", *TOO_LATE)
        assert servers.balancer.is_lost(attempt)
        assert servers.used() == {"a", "c"}


def test_a_slow_answer_is_waited_for_while_the_server_answers_others_or_probes(servers):
    with servers.balancer.attempt({"a", "c"}) as attempt:
        servers.now += 2 * SILENCE
        assert servers.balancer.due_probes(attempt) == ["b"]
        servers.balancer.probed("b", grpc.StatusCode.UNIMPLEMENTED)  # An answer too.
        assert servers.balancer.due_probes(attempt) == []
        servers.now += 2 * PROBE_SECONDS
        with servers.balancer.attempt({"a", "c"}):
            pass
        assert servers.balancer.due_probes(attempt) == []
        assert not servers.balancer.is_lost(attempt)


def test_nobody_gives_up_on_the_last_server(servers):
    servers.balancer.keep("b")
    with servers.balancer.attempt() as attempt:
        servers.now += 2 * SILENCE
        servers.balancer.due_probes(attempt)
        servers.balancer.probed("b", *TOO_LATE)
        assert not servers.balancer.is_lost(attempt)


def test_a_caller_who_breaks_off_says_nothing_of_the_server(servers):
    with pytest.raises(KeyboardInterrupt), servers.balancer.attempt() as attempt:
        raise KeyboardInterrupt
    assert attempt.server.in_flight == 0
    assert servers.used() == set("abc")


def test_servers_come_and_go(servers):
    servers.fails(REFUSED, only="b")
    servers.balancer.keep("bcd")
    assert servers.used() == {"c", "d"}
    servers.balancer.probed("a", None)
