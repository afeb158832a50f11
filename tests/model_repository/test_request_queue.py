"""The queue of a model, without a server and without time that passes by itself."""

import math
import threading

import pytest
import request_queue
from pace import Pace
from request_queue import QueueFullError, RequestQueue, TooLateError

WORKERS = 2


@pytest.fixture
def clock():
    """The time, which a test sets."""

    class Clock:
        now = 100.0
        step = 0.0

        def __call__(self) -> float:
            self.now += self.step
            return self.now

    return Clock()


@pytest.fixture
def queue(clock):
    return RequestQueue(WORKERS, max_requests=4, max_bytes=1000, clock=clock)


def put(queue, *names, size=1, seconds=math.inf, bulk=False):
    for name in names:
        queue.put(name, size, seconds, bulk=bulk)


def names(queue, count):
    return [queue.get().item for _ in range(count)]


def took(queue, seconds):
    """Has the queue learn how long a request takes."""
    put(queue, "first")
    queue.done(queue.get(), seconds)


def test_requests_are_served_in_their_order_and_bulk_work_last(queue, clock):
    put(queue, "b1", "b2", bulk=True)
    put(queue, "p1", "p2")
    assert len(queue) == 4
    assert names(queue, 2) == ["p1", "p2"]
    b1 = queue.get()
    assert b1.item == "b1"
    queue.done(b1)
    clock.now += request_queue.BULK_SECONDS
    put(queue, "p3")
    assert names(queue, 2) == ["p3", "b2"]


@pytest.fixture
def six(clock, monkeypatch):
    """A queue of six workers, a person's request in work, and bulk work that waits."""
    monkeypatch.setattr(request_queue, "BULK_SECONDS", 0.02)
    monkeypatch.setattr(request_queue, "PEOPLE_SECONDS", 0.05)
    queue = RequestQueue(workers=6, max_requests=4, max_bytes=1000, clock=clock)
    put(queue, "person")
    put(queue, *"abcd", bulk=True)
    queue.person = queue.get()
    return queue


def test_beside_people_bulk_work_begins_while_less_than_a_third_is_at_work(six, clock):
    assert names(six, 1) == ["a"]
    clock.step = 0.01
    b = six.get()
    assert clock.now > 100 + request_queue.BULK_SECONDS
    clock.step = 0
    six.done(six.person)
    six.done(b)
    assert names(six, 1) == ["c"]


def test_beside_people_no_more_than_a_third_are_at_bulk_work(six, clock):
    clock.step = 0.01
    assert names(six, 3) == ["a", "b", "c"]
    assert clock.now > 100 + request_queue.PEOPLE_SECONDS


def test_all_workers_take_bulk_work_once_the_people_have_gone(monkeypatch):
    monkeypatch.setattr(request_queue, "PEOPLE_SECONDS", 0.05)
    queue = RequestQueue(workers=6, max_requests=6, max_bytes=1000)
    all_at_work = threading.Barrier(7)

    def work():
        while queue.get():
            all_at_work.wait()

    workers = [threading.Thread(target=work) for _ in range(6)]
    for worker in workers:
        worker.start()
    put(queue, "person")
    put(queue, *"abcde", bulk=True)
    all_at_work.wait()
    queue.close()
    for worker in workers:
        worker.join()


def test_each_kind_has_room_of_its_own(queue):
    put(queue, *"abcd", bulk=True)
    with pytest.raises(QueueFullError, match="4 requests of 4 bytes wait"):
        put(queue, "e", bulk=True)
    put(queue, *"wxyz")
    with pytest.raises(QueueFullError):
        put(queue, "v")
    queue.get()
    put(queue, "v")


def test_files_are_bounded_by_their_bytes_but_for_one_that_waits_alone(queue):
    put(queue, "large", size=5000)
    with pytest.raises(QueueFullError, match="1 requests of 5000 bytes"):
        put(queue, "small")
    queue.get()
    put(queue, "a", "b", size=500)
    with pytest.raises(QueueFullError):
        put(queue, "c")


def test_a_request_that_would_come_too_late_is_refused_at_once(queue):
    took(queue, 1.0)
    put(queue, "x", "y")
    names(queue, WORKERS)
    # Half a second until a worker is free, and a second of work; half as much more to be safe.
    with pytest.raises(TooLateError, match=r"it would take 1.5 s, and 2.2 are left"):
        put(queue, "z", seconds=2.2)
    put(queue, "z", seconds=2.3)
    with pytest.raises(TooLateError, match=r"it would take 2 s"):
        put(queue, "later", seconds=2.3)


def test_bulk_work_delays_nobody_in_this_reckoning_either(queue, clock):
    took(queue, 1.0)
    put(queue, "x", "y")
    names(queue, WORKERS)
    put(queue, *"abc", bulk=True)
    put(queue, "person", seconds=2.3)
    clock.now += request_queue.PEOPLE_SECONDS
    with pytest.raises(TooLateError, match=r"it would take 3.5 s"):
        put(queue, "d", seconds=2, bulk=True)


def test_bulk_work_beside_people_is_reckoned_from_how_often_it_begins(six, clock):
    six.done(six.person, 1.0)
    for _ in range(2):
        clock.now += 2
        six.done(six.get())
    put(six, "person")
    # The first began after two seconds, the second after two more; two wait.
    with pytest.raises(TooLateError, match=r"it would take 7 s"):
        put(six, "e", seconds=7, bulk=True)
    put(six, "e", seconds=11, bulk=True)


def test_whoever_finds_a_free_worker_is_let_in_whatever_the_mean_says(queue):
    took(queue, 1000.0)
    put(queue, "x", seconds=0.1)
    queue.get()
    put(queue, "y", seconds=0.1)
    queue.get()
    with pytest.raises(TooLateError):
        put(queue, "z", seconds=0.1)


def test_the_time_of_a_request_runs_while_it_waits(queue, clock):
    put(queue, "x", seconds=3)
    waiting = queue.get()
    assert queue.seconds_left(waiting) == 3
    clock.now += 4
    assert queue.seconds_left(waiting) == -1


def test_a_queue_that_closes_gives_out_what_waits_and_lets_the_workers_go(queue):
    got = []
    put(queue, "x")

    def work():
        while waiting := queue.get():
            got.append(waiting.item)

    workers = [threading.Thread(target=work) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    queue.close()
    for worker in workers:
        worker.join()
    assert got == ["x"]


def test_the_pace_is_learnt_and_an_estimate_that_refuses_goes_down():
    pace = Pace()
    assert pace.is_enough(0.001, 10**6)  # Nothing is known yet.
    pace.learn(100, 1.0)
    assert pace.is_enough(1.0, 100)
    assert not pace.is_enough(0.5, 100)
    assert pace.is_enough(0.91, 100)
    for _ in range(100):
        pace.learn(100, 2.0)
    assert not pace.is_enough(1.5, 100)
