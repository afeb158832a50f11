import pickle

import pytest

from atelier._retry_budget import PER_SECOND, RATIO, RESERVE, RetryBudget


@pytest.fixture
def budget(clock) -> RetryBudget:
    return RetryBudget()


def spent(budget: RetryBudget) -> int:
    """As many tokens as there are."""
    count = 0
    while budget.spend():
        count += 1
    return count


def test_retries_add_a_tenth_to_what_is_served(budget):
    assert spent(budget) == RESERVE
    retries = 0
    for _ in range(1000):
        budget.served(paid=False)
        retries += spent(budget)
    assert retries == pytest.approx(1000 * RATIO, abs=1)


def test_a_retry_that_is_served_costs_nothing(budget):
    for _ in range(100):
        assert budget.spend()
        budget.served(paid=True)
    assert spent(budget) == RESERVE


def test_whoever_sends_little_has_a_token_now_and_then(budget, clock):
    spent(budget)
    clock.now += 1 / PER_SECOND
    assert spent(budget) == 1
    clock.now += 1000
    assert spent(budget) == RESERVE


def test_a_copy_in_another_process_has_its_own(budget):
    spent(budget)
    assert spent(pickle.loads(pickle.dumps(budget))) == RESERVE
