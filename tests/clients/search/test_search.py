"""Searches with a painter that needs no server."""

from copy import copy

import numpy as np
import pytest
from PIL import Image

from atelier import ServerFailed
from atelier._search.objectives import Closeness, Novelty, objective_named
from atelier._search.optimizers import OPTIMIZERS
from atelier._search.search import search
from fakes.painter import LENGTH, FakePainter

NAMES = pytest.mark.parametrize("name", OPTIMIZERS)


def searched(name, objective, painter=None, budget=100, progress=lambda done, best: None):
    return search(
        painter or FakePainter(),
        OPTIMIZERS[name](LENGTH, batch=16, budget=budget, seed=0),
        objective,
        movement="cubism",
        budget=budget,
        batch=16,
        progress=progress,
    )


@NAMES
@pytest.mark.parametrize("budget", [1, 5, 16, 100])
def test_the_budget_is_kept_in_batches(name, budget):
    painter = FakePainter()
    found = searched(name, Novelty(), painter, budget)
    assert sum(painter.batches) == len(found.scores) == budget
    assert max(painter.batches) <= 16
    assert set(painter.movements) == {"cubism"}


@NAMES
def test_the_best_can_be_painted_again(name):
    objective = Closeness(Image.new("RGB", (9, 9), (250, 120, 10)))
    found = searched(name, objective)
    (again,) = FakePainter().paint(found.latent[None], movement="cubism")
    np.testing.assert_array_equal(np.asarray(again), np.asarray(found.image))
    assert objective([again])[0] == found.score == found.scores.max()
    assert (np.diff(found.best_so_far) >= 0).all()


@pytest.mark.parametrize("name", ["genetic", "annealing", "cma-es"])
def test_a_movement_is_found_better_than_at_random(name):
    painter = FakePainter()
    scores = {
        each: searched(
            each, objective_named("movement:cubism", painter, "cubism")(), painter, 320
        ).score
        for each in (name, "random")
    }
    assert scores[name] > scores["random"]


def test_novelty_grows_coverage():
    """Of each batch, the most novel image is kept; or any image, by turns."""
    painter = FakePainter()
    spread = []
    for by_novelty in (True, False):
        score = Novelty()
        for seed in range(60):
            images = painter.paint(painter.latents(8, seed=seed), movement="cubism")
            new = copy(score)(images)
            best = int(np.argmax(new)) if by_novelty else seed % 8
            score([images[best]])
        spread.append(score.archive.std(axis=0).mean())
    assert spread[0] > 1.1 * spread[1]


def test_only_a_new_best_is_progress():
    seen = []
    found = searched("random", Novelty(), progress=lambda done, best: seen.append((done, best)))
    assert [best for _, best in seen] == sorted({best for _, best in seen})
    assert seen[-1][1] == found.score
    assert all(found.best_so_far[done - 1] == best for done, best in seen)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_no_finite_number_is_refused(bad):
    class Broken:
        label = "beauty"
        calls = 0

        def __call__(self, images):
            self.calls += 1
            scores = np.zeros(len(images))
            if self.calls == 2:
                scores[3] = bad
            return scores

    with pytest.raises(ServerFailed, match=rf"evaluation 20 has the score {bad} \(beauty\)"):
        searched("random", Broken())
