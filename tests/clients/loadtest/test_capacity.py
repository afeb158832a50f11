"""Searches for the capacity of a server whose capacity is known by arithmetic."""

import asyncio
import math
from itertools import pairwise

import grpc
import numpy as np
import pytest

from atelier._loadtest.bursts import Evidence, design_effect, evidence
from atelier._loadtest.capacity import PRECISION, check_duration, find_capacity, next_rate
from atelier._loadtest.capacity_summary import best_run, capacity_summary, sentences
from atelier._loadtest.clients import OneProcess
from atelier._loadtest.objectives import objectives
from atelier._loadtest.sender import sender
from atelier._loadtest.trial import TrialPlan, queue_grew, try_rate
from atelier.testing import StatusError
from fakes.one_worker import OneWorker, one_sample
from fakes.simulated_time import run_simulated

SERVICE = 0.01
SECONDS = 45
"""Of the trials from which most is read."""


def plan(slo, seconds, arrivals="poisson", seed=0):
    return TrialPlan(objectives(slo), seconds, 1.0, arrivals, seed)


def search(
    slo,
    seconds,
    arrivals="poisson",
    seed=0,
    make_server=lambda: OneWorker(SERVICE),
    make_clients=OneProcess,
):
    async def searched():
        workload = one_sample()
        clients = make_clients(sender(make_server(), workload, url="mock:1", timeout=30))
        return await find_capacity(clients, workload, plan(slo, seconds, arrivals, seed))

    return run_simulated(searched())


def share_above(limit, rate):
    """Of Poisson arrivals at one worker that takes SERVICE for each, those that take longer.

    Erlang's formula for the waiting time in the queue M/D/1.
    """
    wait = limit - SERVICE
    terms = (
        (-rate * (wait - k * SERVICE)) ** k
        / math.factorial(k)
        * math.exp(rate * (wait - k * SERVICE))
        for k in range(math.floor(wait / SERVICE) + 1)
    )
    return 1 - (1 - rate * SERVICE) * math.fsum(terms)


def capacity_by_arithmetic(limit, share):
    low, high = 1.0, 99.0
    while high - low > 1e-3:
        middle = (low + high) / 2
        low, high = (low, middle) if share_above(limit, middle) > share else (middle, high)
    return low


@pytest.fixture(scope="module")
def searches():
    return [search("p90<45ms", SECONDS, seed=seed) for seed in (1, 2)]


def test_erlangs_formula_where_it_can_be_checked_by_hand():
    # Nobody waits longer than 0 where the worker is free: with the probability 1 - 0.5.
    assert share_above(SERVICE, 50) == pytest.approx(0.5)
    assert share_above(2 * SERVICE, 50) == pytest.approx(1 - 0.5 * (math.exp(0.5) - 0))


def test_two_searches_agree_with_arithmetic_and_so_with_each_other(searches):
    expected = capacity_by_arithmetic(0.045, 0.1)
    for found in searches:
        assert 0.7 * expected < found.holds < expected < found.fails < 1.4 * expected
    rates = [[trial.rate for trial in found.trials] for found in searches]
    planned = [[trial.run["planned"] for trial in found.trials] for found in searches]
    assert len(rates[0]) > 4
    assert planned[0][0] != planned[1][0]  # Other arrivals, not the same search twice.


def test_the_worker_is_saturated_at_what_it_can_do_and_beyond_it_the_queue_grows(searches):
    for found in searches:
        assert found.saturation.rate == pytest.approx(1 / SERVICE, rel=0.01)
        assert found.queue_is_steady < found.queue_grows
        assert 90 < found.queue_grows < 111


def test_evenly_spaced_requests_hold_up_to_the_workers_own_rate():
    found = search("p95<30ms, p50<15ms", 20, "constant")
    assert 100 / (1 + PRECISION) <= found.holds <= 100 < found.fails < 100 * (1 + PRECISION) ** 2


def test_the_run_at_the_capacity_and_all_points_are_in_the_report(searches):
    found = searches[0]
    run = best_run(found)
    assert run["rate_asked"] == pytest.approx(found.holds, rel=0.1)
    rates = [point["rate"] for point in run["points"]]
    assert sorted(trial.rate for trial in found.trials) == rates
    summary = capacity_summary(found, plan("p90<45ms", SECONDS))
    assert summary["trials"][0]["evidence"]["p90<45ms"]["requests"] > 1000
    text = " ".join(sentences(summary))
    assert f"held at {found.holds:.4g}/s for {SECONDS} s. It failed at {found.fails:.4g}/s." in text
    assert f"At saturation, with {found.saturation.callers} requests under way, the server" in text


def test_trials_that_contradict_each_other_are_said_to(searches):
    summary = capacity_summary(searches[0], plan("p90<45ms", SECONDS))
    assert "disturbed" not in " ".join(sentences(summary))
    lowest = min(summary["trials"], key=lambda trial: trial["rate"])
    highest = max(summary["trials"], key=lambda trial: trial["rate"])
    lowest["verdict"], highest["verdict"] = "fails", "holds"
    expected = f"at {lowest['rate']:.4g}/s failed, and the one at {highest['rate']:.4g}/s did not"
    assert expected in " ".join(sentences(summary))


def test_a_duration_that_cannot_decide_an_objective_is_refused_with_the_one_that_can():
    with pytest.raises(ValueError, match=r"p99<45ms takes 459 requests .* --seconds 5 or more"):
        search("p50<1s,p99<45ms", 4)
    with pytest.raises(ValueError, match=r"4,603 .* in 30 s the server answers 750 .* 185 or"):
        check_duration(objectives("p99.9<1s"), 30, 25)
    check_duration(objectives("p99<1s"), 30, 25)


def test_an_objective_that_no_rate_holds_is_said_to():
    found = search("p90<9ms", 20)  # Less than the work itself takes.
    assert found.holds is None
    assert found.fails == found.not_shown == objectives("p90<9ms")[0].least / 20
    assert "No rate was shown to hold p90<9ms" in " ".join(
        sentences(capacity_summary(found, plan("p90<9ms", 20)))
    )


class Refuses(OneWorker):
    """Fails every tenth request that is being sent."""

    count = 0

    async def send_async(self, request, timeout):
        self.count += 1
        if self.count % 10 == 0:
            raise StatusError(grpc.StatusCode.UNAVAILABLE, "Connection refused")
        return await super().send_async(request, timeout)


def test_failures_are_late_and_have_an_objective_of_their_own():
    async def tried(slo):
        workload = one_sample()
        clients = OneProcess(sender(Refuses(SERVICE), workload, url="mock:1", timeout=30))
        return await try_rate(clients, workload, plan(slo, 20), 50, 0)

    trial = run_simulated(tried("errors<1%"))
    assert trial.verdict == "fails"
    assert trial.queue_grew  # As far as the server is concerned: it refuses more than 1 %.
    assert trial.evidence["errors<1%"].late == trial.run["failures"]["Unreachable"]
    # It ended at the first look, a quarter of the way.
    assert 230 < trial.evidence["errors<1%"].requests < 270
    assert run_simulated(tried("p80<15ms")).evidence["p80<15ms"].late >= 100


def test_a_server_that_dies_ends_the_search():
    # After the closed loops, which take 10 s, and the first trial.
    found = search("p90<45ms", 20, make_server=lambda: OneWorker(SERVICE, dies=50))
    assert found.stopped.endswith("/s the server answered nothing")
    assert not found.interrupted
    assert 1 < len(found.trials) < 5


class SendsLate(OneProcess):
    """A client that sends 50 ms after it was to."""

    def open_drive(self, planned, enough=lambda: False):
        drive = super().open_drive(planned, enough)

        def late(record):
            return lambda outcome: record(
                outcome._replace(sent=outcome.sent + 0.05, done=outcome.done + 0.05)
            )

        return lambda start, record: drive(start, late(record))


def test_nothing_is_said_of_the_server_where_the_client_was_the_bottleneck():
    found = search("p90<45ms", 20, make_clients=SendsLate)
    assert "the client, not the server, was the bottleneck" in found.stopped
    assert (found.holds, found.fails, found.queue_grows) == (None, None, None)
    assert [trial.verdict for trial in found.trials] == ["undecided"]


def test_ctrl_c_ends_the_search_and_keeps_what_was_found(interrupt):
    class Interrupts(OneWorker):
        async def send_async(self, request, timeout):
            # In the middle of the second trial; the closed loops and the first take 38 s.
            if asyncio.get_running_loop().time() > 50:
                interrupt()
            return await super().send_async(request, timeout)

    found = search("p90<45ms", 20, make_server=lambda: Interrupts(SERVICE))
    assert found.interrupted
    assert found.stopped == "it was interrupted"
    assert len(found.trials) == 2
    assert found.trials[1].verdict == "undecided"


@pytest.mark.parametrize("text", ["p99<300", "p100<1s", "p99<0ms", "errors<0%", "p99>1s", "", "p"])
def test_an_objective_that_cannot_be_read_is_named(text):
    with pytest.raises(ValueError, match="write a percentile and a time, such as p99<300ms"):
        objectives(text)


def test_objectives_are_read_in_their_units():
    first, second, third = objectives("P99 < 300 ms, p99.9<1.5s,errors<0.1%")
    assert (first.share, first.limit) == (0.01, 0.3)
    assert (second.share, second.limit, second.least) == (0.001, 1.5, 4603)
    assert (third.share, third.limit) == (0.001, math.inf)
    with pytest.raises(ValueError, match="each one once"):
        objectives("p99<1s,p99<1s")


def test_it_takes_as_many_requests_as_the_binomial_distribution_says():
    (p99,) = objectives("p99<1s")
    for late, count in ((0, 459), (1, 662), (10, 2010)):
        assert p99.holds(Evidence(count, late, 1.0))
        assert not p99.holds(Evidence(count - 1, late, 1.0))
        # Ten that were late in one burst are as one, among a tenth of the requests.
        assert p99.holds(Evidence(count * 10, late * 10, 10.0))
    assert p99.fails(Evidence(100, 6, 1.0))
    assert not p99.fails(Evidence(100, 6, 3.0))


def test_bursts_weigh_by_their_size():
    late = np.zeros(1000, bool)
    late[[100, 500, 900]] = True
    assert design_effect(late) == 1
    late[[101, 103]] = True  # One that is in time does not end a burst; two do.
    assert design_effect(late) == (9 + 1 + 1) / 5
    late[106] = True
    assert design_effect(late) == (9 + 1 + 1 + 1) / 6
    assert design_effect(~late) == design_effect(late)
    assert design_effect(np.ones(1000, bool)) == 1


def test_a_burst_of_late_requests_is_one_observation():
    latencies = np.full(1000, 0.1)
    latencies[500:510] = 2.0
    found = evidence(latencies, 1.0, 0.01)
    assert (found.requests, found.late, found.effect) == (1000, 10, 10)
    assert (found.independent, found.independent_late) == (100, 1)


def test_where_nothing_is_late_the_slowest_requests_show_the_size_of_bursts():
    latencies = np.full(1000, 0.1)
    latencies[500:520] = 0.11
    assert evidence(latencies, 1.0, 0.01).effect == 20
    assert evidence(np.full(1000, 0.1), 1.0, 0.01).effect == 1
    assert evidence(np.empty(0), 1.0, 0.01) == Evidence(0, 0, 1.0)


def test_a_queue_grows_where_it_never_gets_as_short_again():
    due = np.arange(0, 30, 0.01)
    assert not queue_grew(due, due + 0.02, 0)
    assert queue_grew(due, due * 1.05 + 0.02, 0)
    # A stall of two seconds in the last third, and what it takes to catch up.
    stalled = np.where((due > 22) & (due < 26), np.maximum(due, 24 + (due - 22) / 2), due) + 0.02
    assert not queue_grew(due, stalled, 0)


def test_rates_are_tried_up_and_down_until_they_are_close():
    assert next_rate(None, None, 80, 10) == 80
    assert next_rate(80, None, 80, 10) == 100
    assert next_rate(None, 80, 80, 10) == 56
    assert next_rate(None, 12, 80, 10) == 10
    assert next_rate(None, 10, 80, 10) is None
    rates = [80.0]
    good, bad = 80.0, 100.0
    while (rate := next_rate(good, bad, 80, 10)) is not None:
        rates.append(rate)
        good, bad = (rate, bad) if rate < 90.5 else (good, rate)
    assert good < 90.5 < bad < good * (1 + PRECISION)
    assert all(first != second for first, second in pairwise(rates))
