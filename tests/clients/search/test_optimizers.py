"""Optimizers on analytic functions, where the best latent is known."""

import sys

import numpy as np
import pytest

from atelier._search.latents import on_shell, perturbed
from atelier._search.optimizers import OPTIMIZERS

LENGTH, BATCH, BUDGET = 128, 16, 320
TARGET = on_shell(np.random.default_rng(99).standard_normal((1, LENGTH)))
NAMES = pytest.mark.parametrize("name", OPTIMIZERS)
LEARNING = pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name != "random"])


def closeness(latents):
    return -((latents - TARGET) ** 2).mean(axis=1)


def few_numbers(latents):
    return (latents * TARGET)[:, :10].sum(axis=1)


def searched(name, function=closeness, seed=0, budget=BUDGET):
    """All candidates and scores of a search."""
    optimizer = OPTIMIZERS[name](LENGTH, batch=BATCH, budget=budget, seed=seed)
    candidates, scores = [], []
    for done in range(0, budget, BATCH):
        asked = optimizer.ask(min(BATCH, budget - done))
        candidates.append(asked.copy())
        scores.append(function(asked))
        optimizer.tell(asked, scores[-1])
    return np.concatenate(candidates), np.concatenate(scores)


@LEARNING
@pytest.mark.parametrize("function", [closeness, few_numbers])
@pytest.mark.parametrize("seed", range(3))
def test_random_search_is_beaten(name, function, seed):
    _, scores = searched(name, function, seed)
    drawn = searched("random", function, seed)[1]
    assert scores.max() > drawn.max() + drawn.std()


@NAMES
def test_candidates_are_typical_and_as_many_as_asked(name):
    candidates, _ = searched(name, budget=100)
    assert candidates.shape == (100, LENGTH)
    assert candidates.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(candidates, axis=1), LENGTH**0.5, rtol=1e-5)


@NAMES
def test_a_seed_is_reproducible_and_touches_no_global_state(name):
    before = np.random.get_state()[1].copy()
    first, _ = searched(name, seed=1)
    again, _ = searched(name, seed=1)
    np.testing.assert_array_equal(first, again)
    assert (first != searched(name, seed=2)[0]).any()
    np.testing.assert_array_equal(np.random.get_state()[1], before)


@NAMES
def test_equal_scores_are_no_obstacle(name):
    candidates, _ = searched(name, lambda latents: np.zeros(len(latents)))
    assert np.isfinite(candidates).all()


@LEARNING
def test_a_score_needs_no_scale_of_its_own(name):
    small, _ = searched(name)
    large, _ = searched(name, lambda latents: 1024 * closeness(latents))
    np.testing.assert_array_equal(small, large)


def test_children_take_after_the_better_parents():
    optimizer = OPTIMIZERS["genetic"](LENGTH, batch=BATCH, budget=BUDGET, seed=0)
    parents = optimizer.ask(BATCH)
    optimizer.tell(parents, np.arange(BATCH, dtype=float))
    children = np.concatenate([optimizer.ask(BATCH) for _ in range(20)])
    likeness = (children @ parents.T).mean(axis=0)
    assert likeness[BATCH // 2 :].mean() > 1.5 * likeness[: BATCH // 2].mean()


def test_annealing_cools():
    """Late chains move less, and lose less."""
    candidates, scores = searched("annealing")
    assert scores[-BATCH:].mean() > scores[:BATCH].mean()
    early, late = candidates[BATCH : 2 * BATCH], candidates[-BATCH:]
    assert np.linalg.norm(late - late.mean(0)) < 0.7 * np.linalg.norm(early - early.mean(0))


def test_a_perturbed_latent_is_as_far_as_the_step():
    generator = np.random.default_rng(0)
    start = on_shell(generator.standard_normal((200, LENGTH)))
    for step in (0.0, 0.3, 1.0):
        cosine = (perturbed(start, step, generator) * start).sum(axis=1) / LENGTH
        assert cosine.mean() == pytest.approx((1 - step**2) ** 0.5, abs=0.02)


def test_cma_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "cma", None)
    with pytest.raises(ModuleNotFoundError, match="the module 'cma' is missing: ") as raised:
        OPTIMIZERS["cma-es"](LENGTH, batch=BATCH, budget=BUDGET, seed=0)
    assert raised.value.name == "cma"
