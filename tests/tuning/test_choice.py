import pytest

from atelier_tuning.arrangement import Arrangement
from atelier_tuning.choice import choose, table
from atelier_tuning.trial import Measured

PLAIN = Arrangement(1, None, 1, 0)
BATCHES = Arrangement(1, None, 4, 2000)
MANY = Arrangement(2, 1, 1, 0)


def measured(arrangement: Arrangement, rate: float, alone: float, requests: int = 0) -> Measured:
    return Measured(arrangement, [rate], [alone], [10.0] * requests)


@pytest.mark.parametrize(
    ("aim", "rates", "latencies", "chosen"),
    [
        ("throughput", (50, 60, 100), (10, 20, 20), MANY),
        ("latency", (50, 60, 100), (10, 20, 20), PLAIN),
        # As good as the best, and better alone.
        ("throughput", (98, 90, 100), (10, 20, 20), PLAIN),
        ("latency", (50, 60, 100), (10, 20, 10.2), MANY),
        # Equal in all: the plainest.
        ("throughput", (100, 101, 102), (10.2, 10, 10.1), PLAIN),
    ],
)
def test_the_best_by_the_aim(aim, rates, latencies, chosen):
    found = [
        measured(arrangement, rate, alone)
        for arrangement, rate, alone in zip((PLAIN, BATCHES, MANY), rates, latencies, strict=True)
    ]
    assert choose(found, aim).arrangement == chosen


def test_the_table_tells_no_percentile_that_the_requests_do_not_carry():
    few, enough = measured(PLAIN, 50, 10, 458), measured(BATCHES, 60, 20, 459)
    lines = table([few, enough], enough, 8).splitlines()
    assert lines[2] == "|  | 1 | free | none |  | 10.0 ms | 50.0/s |  |"
    assert lines[3] == "| chosen | 1 | free | 4 | 2 ms | 20.0 ms | 60.0/s | 10 ms |"
