"""Two load tests beside each other: what is noise, what is not, and what cannot be compared."""

import copy
import json

import numpy as np
import pytest
from click.testing import CliRunner

from atelier._cli.loadtest_reports import compare_command
from atelier._loadtest.comparison import compare
from atelier._loadtest.confidence import at_most
from atelier._loadtest.noise import samples, share_bounds
from fakes.load_report import load_report


def queue(random, planned):
    """The latencies of one worker that is busy for four fifths of the time."""
    free, found = 0.0, []
    for due, work in zip(planned, random.gamma(4, 0.01, len(planned)), strict=True):
        free = max(free, due) + work
        found.append(free - due)
    return np.array(found)


def verdicts(before, after, tolerance=0.05):
    found = compare(before, after).differences
    return {each.name: each.verdict(tolerance) for each in found}


def apart(one, other):
    return one.high < other.low or other.high < one.low


def command(tmp_path, before, after, *options):
    files = []
    for name, report in (("before", before), ("after", after)):
        file = tmp_path / f"{name}.json"
        file.write_text(report if isinstance(report, str) else json.dumps(report))
        files.append(str(file))
    result = CliRunner().invoke(compare_command, [*files, *options], standalone_mode=False)
    if result.exception is not None:
        return result.exception.exit_code, result.exception.message
    return result.return_value, result.output


def test_another_run_of_the_same_server_is_within_the_noise():
    found = verdicts(load_report(seed=1), load_report(seed=2))
    assert found == dict.fromkeys(("p50", "p95", "p99", "failed", "answered"), "within the noise")


def test_bursts_of_late_requests_are_not_taken_for_a_difference():
    by_rank = together = 0
    for seed in range(0, 24, 2):
        one, other = (
            samples(load_report(seed=seed + each, latencies=queue)["run"])[""] for each in (0, 1)
        )
        by_rank += apart(one.whole.percentile(0.95), other.whole.percentile(0.95))
        together += apart(one.percentile(0.95), other.percentile(0.95))
    assert by_rank >= 4
    assert together <= 1


def test_a_server_that_became_slower_is_worse_and_the_other_way_round_better():
    quick, slow = load_report(seed=1), load_report(seed=2, latency=0.045)
    assert verdicts(quick, slow)["p50"] == verdicts(quick, slow)["p95"] == "worse"
    assert verdicts(slow, quick)["p50"] == "better"
    assert verdicts(quick, slow)["failed"] == "within the noise"
    assert verdicts(quick, slow, tolerance=1.0)["p50"] == "slightly worse"


def test_failures_are_worse_than_none():
    fails = load_report(seed=2, failure=lambda number: "Overloaded" * (number % 20 == 0))
    found = verdicts(load_report(seed=1), fails)
    assert found["failed"] == "worse"
    # One of 20 is the p99: it failed.
    assert found["p99"] == "worse"
    assert found["p50"] == "within the noise"


def test_a_server_that_answers_fewer_callers_is_worse():
    before = load_report((60,), seed=1, rate=None, callers=4)
    after = load_report((45,), seed=2, rate=None, callers=4)
    assert verdicts(before, after)["answered"] == "worse"


def test_every_rate_is_compared_with_itself():
    found = compare(load_report((20, 60), seed=1), load_report((20, 60), seed=2))
    assert {"p50 at 20/s", "p95 at 60/s", "failed at 60/s"} <= {e.name for e in found.differences}
    assert any(each.startswith("p99 at 20/s: ") for each in found.not_compared)
    assert {each.verdict(0) for each in found.differences} == {"within the noise"}


def test_what_else_changed_is_said():
    after = copy.deepcopy(load_report())
    after["about"]["machine"]["cores"] = 4
    after["about"]["packages"]["numpy"] = "2.0"
    after["about"]["models"]["stylize"] = ["2"]
    assert compare(load_report(), after).changes == [
        ("models stylize", "1", "2"),
        ("machine cores", "2", "4"),
        ("packages numpy", "1.26.4", "2.0"),
    ]


@pytest.mark.parametrize(
    ("after", "complaint"),
    [
        ({"rates": (30,)}, "the loads differ: rate is 20.0 in the first and 30.0 in the second"),
        ({"size": "64x64"}, "size is 256x256 in the first and 64x64 in the second"),
        ({"seconds": 50}, "seconds is 40 in the first and 50 in the second"),
        ({"rates": (10, 30)}, "rate is 20.0 in the first and not given in the second"),
    ],
)
def test_another_load_is_refused(tmp_path, after, complaint):
    code, message = command(tmp_path, load_report(), load_report(**after))
    assert code == 2
    assert complaint in message


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"interrupted": True}, "the second run was interrupted"),
        ({"client_was_the_bottleneck": True}, "in the second run the client, not the server"),
        ({"intervals": []}, "too few to know the noise"),
    ],
)
def test_a_run_that_says_nothing_of_the_server_is_refused(tmp_path, change, complaint):
    after = load_report()
    after["run"].update(change)
    code, message = command(tmp_path, load_report(), after)
    assert code == 2
    assert complaint in message


def test_what_is_no_report_is_refused(tmp_path):
    assert command(tmp_path, load_report(), "{}")[0] == 2
    code, message = command(tmp_path, load_report(), '{"format": 1, "about": {}}')
    assert code == 2
    assert "no whole report" in message


def test_the_exit_code_is_that_of_the_tolerance(tmp_path):
    quick, slow = load_report(seed=1), load_report(seed=2, latency=0.045)
    code, text = command(tmp_path, quick, slow)
    assert code == 1
    assert "Worse by more than the noise and 5 %: p50, 29" in text
    code, text = command(tmp_path, quick, slow, "--tolerance", "100")
    assert code == 0
    assert "No figure is worse by more than the noise and 100 %." in text


def test_a_capacity_is_worse_where_it_failed_at_what_the_other_held():
    def searched(holds, fails):
        found = {"holds": holds, "fails": fails, "queue_is_steady": 90.0, "queue_grows": 95.0}
        return {**load_report(rate=None, slo="p99<300ms"), "capacity": found}

    assert verdicts(searched(80.0, 90.0), searched(60.0, 70.0))["capacity"] == "worse"
    assert verdicts(searched(80.0, 90.0), searched(70.0, 85.0))["capacity"] == "within the noise"
    assert verdicts(searched(80.0, None), searched(None, 10.0))["capacity"] == "worse"
    assert verdicts(searched(80.0, 90.0), searched(100.0, None))["capacity"] == "better"


@pytest.mark.parametrize("count", [0, 1, 20])
def test_bounds_of_a_share_are_those_of_the_binomial_distribution(count):
    low, high = share_bounds(count, 500)
    assert at_most(500, high, count) == pytest.approx(0.01, rel=1e-3)
    if count:
        assert 1 - at_most(500, low, count - 1) == pytest.approx(0.01, rel=1e-3)
    else:
        assert low == 0
