"""One search: a budget of evaluations, spent in batches."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from atelier._errors import ServerFailed
from atelier._search.latents import Latents, Numbers
from atelier._search.objectives import Objective, Painter
from atelier._search.optimizers import Optimizer


@dataclass(frozen=True, eq=False)
class Found:
    """What a search found.

    Attributes:
        scores: (budget,), of every evaluation in its order.
        latent: (Z,), the best.
        image: Its image.
    """

    scores: Numbers
    latent: Latents
    image: Image.Image

    @property
    def best_so_far(self) -> Numbers:
        """The best score up to each evaluation, (budget,)."""
        best: Numbers = np.maximum.accumulate(self.scores)
        return best

    @property
    def score(self) -> float:
        """The best score."""
        return float(self.scores.max())


def search(
    painter: Painter,
    optimizer: Optimizer,
    objective: Objective,
    *,
    movement: str,
    budget: int,
    batch: int,
    progress: Callable[[int, float], None],
) -> Found:
    """Spends exactly `budget` evaluations, at most `batch` at a time.

    Args:
        painter: Paints the candidates.
        optimizer: A new one.
        objective: A new one.
        movement: What is painted.
        budget: 1 or more.
        batch: As the optimizer was given.
        progress: Called after a batch that has a new best, with the number of evaluations and it.

    Raises:
        ServerFailed: A score is no finite number.
        AtelierError: As in `Client.generate` and in the objective.
    """
    scores: Numbers = np.empty(0)
    found: Found | None = None
    while len(scores) < budget:
        candidates = optimizer.ask(min(batch, budget - len(scores)))
        images = painter.paint(candidates, movement=movement)
        new = objective(images)
        _check(new, len(scores), objective)
        optimizer.tell(candidates, new)
        scores = np.concatenate([scores, new])
        best = int(new.argmax())
        if found is None or new[best] > found.score:
            found = Found(scores, candidates[best].copy(), images[best])
            progress(len(scores), found.score)
    assert found is not None
    return Found(scores, found.latent, found.image)


def _check(scores: Numbers, before: int, objective: Objective) -> None:
    for place, score in enumerate(scores):
        if not np.isfinite(score):
            raise ServerFailed(
                f"evaluation {before + place + 1} has the score {score} ({objective.label}); only "
                "finite numbers can be compared. Check the model with `atelier classify`"
            )
