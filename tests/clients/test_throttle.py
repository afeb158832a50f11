"""What a client does not send to servers with too much to do."""

import asyncio
import pickle
import random

import grpc
import pytest

from atelier import AsyncClient, Client, Overloaded, _base_client, _throttle
from atelier._throttle import ALLOWANCE, MEMORY, MULTIPLIER, Throttle
from atelier.testing import MockTransport, StatusError

QUEUE_FULL = StatusError(grpc.StatusCode.UNAVAILABLE, "Exceeds maximum queue size")
QUEUE = 20


class Simulation:
    """A server that answers so many requests a second, of which some wait, and a client."""

    def __init__(self, capacity):
        self.capacity = capacity
        self.now = 0.0
        self.room = 0.0  # In the server's queue.
        self.throttle = Throttle(lambda: self.now, random.Random(1).random)

    def run(self, rate, seconds):
        """How many requests a second were sent, and how many of them were taken."""
        sent = taken = 0
        for _ in range(round(rate * seconds)):
            self.now += 1 / rate
            self.room = min(self.room + self.capacity / rate, QUEUE)
            if not self.throttle.admits("a"):
                continue
            sent += 1
            room = self.room >= 1
            self.room -= room
            taken += room
            self.throttle.learn("a", taken=room)
        return sent / seconds, taken / seconds


@pytest.mark.parametrize("times", [5, 20])
def test_about_twice_of_what_is_taken_is_sent(times):
    simulation = Simulation(capacity=100)
    simulation.run(times * 100, 5 * MEMORY)
    sent, taken = simulation.run(times * 100, 60)
    assert taken == pytest.approx(100, rel=0.02)
    assert sent == pytest.approx(MULTIPLIER * (taken + ALLOWANCE / MEMORY), rel=0.1)


def test_all_is_sent_while_half_of_it_is_taken():
    simulation = Simulation(capacity=100)
    sent, taken = simulation.run(190, 60)
    assert sent == pytest.approx(190, rel=0.01)
    assert taken == pytest.approx(100, rel=0.02)


def test_whoever_sends_little_is_heard_whatever_is_refused():
    simulation = Simulation(capacity=0)
    rate = MULTIPLIER * ALLOWANCE / MEMORY
    sent, taken = simulation.run(0.8 * rate, 60)
    assert (sent, taken) == (pytest.approx(0.8 * rate), 0)


def test_a_server_that_takes_nothing_is_asked_now_and_then():
    simulation = Simulation(capacity=0)
    simulation.run(1000, 5 * MEMORY)
    sent, _ = simulation.run(1000, 60)
    assert 1 < sent < 2 * MULTIPLIER * ALLOWANCE / MEMORY


def test_all_is_sent_again_soon_after_the_overload():
    simulation = Simulation(capacity=100)
    simulation.run(1000, 30)
    simulation.run(80, 4 * MEMORY)
    assert simulation.run(80, 10) == (80, 80)


def test_what_was_long_ago_counts_no_more():
    simulation = Simulation(capacity=0)
    simulation.run(1000, 10)
    simulation.now += 20 * MEMORY
    assert all(simulation.throttle.admits("a") for _ in range(100))


def test_a_copy_in_another_process_has_its_own_counts():
    throttle = Throttle(draw=lambda: 0.0)
    for _ in range(100):
        throttle.learn("a", taken=False)
    assert not throttle.admits("a")
    assert pickle.loads(pickle.dumps(throttle)).admits("a")


@pytest.fixture(params=[Client, AsyncClient])
def errors_of(request, jpeg):
    """What each of some calls of one client ends with; None if it is served."""

    def errors(transport, timeouts, retries=0):
        art = request.param(transport=transport, retries=retries)
        return [error_of(art, timeout) for timeout in timeouts]

    def error_of(art, timeout):
        try:
            result = art.stylize(jpeg, "udnie", timeout=timeout)
            if asyncio.iscoroutine(result):
                asyncio.run(result)
        except Overloaded as error:
            return error
        return None

    return errors


@pytest.fixture(autouse=True)
def _steady(monkeypatch, clock):
    """Has a request left unsent where that is as likely as not, and time pass only in pauses."""
    monkeypatch.setattr(
        _base_client, "Throttle", lambda: Throttle(clock.monotonic, draw=lambda: 0.5)
    )


def refuse(_):
    raise QUEUE_FULL


def test_a_client_that_is_refused_sends_less(errors_of):
    transport = MockTransport(refuse)
    errors = errors_of(transport, [100.0] * 100)
    assert all(errors)
    assert len(transport.requests) == 2 * MULTIPLIER * ALLOWANCE + 2
    unsent = errors[-1]
    assert str(unsent) == (
        "the server at localhost:8001 has too much to do: it has just refused most requests like "
        "this one, which was not sent"
    )
    assert (unsent.code, unsent.model, unsent.request_id) == (None, "stylize", "")


def test_calls_with_another_timeout_are_sent(errors_of, jpeg):
    def answer(request):
        # As a queue does that is too long for them.
        if len(transport.requests) <= 100:
            raise StatusError(grpc.StatusCode.UNAVAILABLE, "Request timeout expired")
        return {"stylized": [jpeg]}

    transport = MockTransport(answer)
    errors = errors_of(transport, [100.0] * 500 + [1000.0, None])
    assert all(errors[:500])
    unsent = sum(error.code is None for error in errors[:500])
    assert len(transport.requests) == 502 - unsent
    assert unsent > 400


def test_a_request_that_was_not_sent_is_tried_again(errors_of, jpeg, monkeypatch):
    monkeypatch.setattr(_throttle, "ALLOWANCE", 0)

    def answer(_):
        if len(transport.requests) <= 2:
            raise QUEUE_FULL
        return {"stylized": [jpeg]}

    transport = MockTransport(answer)
    first, second = errors_of(transport, [30.0] * 2, retries=1)
    assert first.details == "Exceeds maximum queue size"
    assert second is None
    # The second call's first attempt is missing.
    assert len(transport.requests) == 3
