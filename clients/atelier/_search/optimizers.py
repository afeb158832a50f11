"""Optimizers of one score over latents, by ask and tell: a batch at a time, higher is better."""

from collections.abc import Callable
from typing import Any, Final, Protocol, TypeAlias

import numpy as np

from atelier._extras import advice_for
from atelier._search.latents import Latents, Numbers, on_shell, perturbed


class Optimizer(Protocol):
    """Asked for candidates, and told their scores before it is asked again."""

    def ask(self, count: int) -> Latents:
        """The next candidates, (count, Z), with 1 to `batch` for count; all on the shell."""

    def tell(self, candidates: Latents, scores: Numbers) -> None:
        """Takes the scores (n,) of the candidates that were asked for last."""


class RandomSearch:
    """Draws every candidate from the prior: what the others are measured against."""

    def __init__(self, length: int, *, batch: int, budget: int, seed: int) -> None:
        del batch, budget
        self._length = length
        self._generator = np.random.default_rng(seed)

    def ask(self, count: int) -> Latents:
        """As in `Optimizer`."""
        return on_shell(self._generator.standard_normal((count, self._length)))

    def tell(self, candidates: Latents, scores: Numbers) -> None:
        """Learns nothing."""


class GeneticAlgorithm:
    """A (μ+λ) genetic algorithm: tournaments, uniform crossover, Gaussian mutation.

    μ and λ are the batch. Uniform crossover takes each number from one of two parents, so that
    children of normal parents are normal again, which a mean of parents is not. It is written here
    since a library for it would bring scipy, and more code than this, for the same 20 lines.
    """

    _TOURNAMENT: Final = 2
    _MUTATION: Final = 0.15

    def __init__(self, length: int, *, batch: int, budget: int, seed: int) -> None:
        del budget
        self._size = batch
        self._generator = np.random.default_rng(seed)
        self._latents: Latents = np.empty((0, length), np.float32)
        self._scores: Numbers = np.empty(0)

    def ask(self, count: int) -> Latents:
        """As in `Optimizer`; the first are drawn from the prior."""
        length = self._latents.shape[1]
        if len(self._latents) == 0:
            return on_shell(self._generator.standard_normal((count, length)))
        mothers, fathers = self._parents(count), self._parents(count)
        from_mother = self._generator.random((count, length)) < 0.5
        children = np.where(from_mother, mothers, fathers)
        return perturbed(children, self._MUTATION, self._generator)

    def tell(self, candidates: Latents, scores: Numbers) -> None:
        """Keeps the best of parents and children."""
        latents = np.concatenate([self._latents, candidates])
        together = np.concatenate([self._scores, scores])
        best = np.argsort(-together, kind="stable")[: self._size]
        self._latents, self._scores = latents[best], together[best]

    def _parents(self, count: int) -> Latents:
        drawn = self._generator.integers(len(self._latents), size=(count, self._TOURNAMENT))
        # The population is sorted, the best first.
        winners: Latents = self._latents[drawn.min(axis=1)]
        return winners


class SimulatedAnnealing:
    """Metropolis chains side by side, one for each place in a batch, that cool together.

    The temperature falls geometrically over the budget (Kirkpatrick et al. 1983), from the
    standard deviation of the first batch's scores, so that no score needs a scale of its own; the
    step falls with it. With each fall, the chains are drawn again by their weights at the new
    temperature, as in population annealing (Hukushima & Iba 2003): apart from each other, chains of
    the twenty moves that a budget allows hardly beat random search.
    """

    _COOLING: Final = 1e-2
    """The last temperature, as a share of the first."""
    _STEPS: Final = (0.5, 0.15)
    """First and last."""

    def __init__(self, length: int, *, batch: int, budget: int, seed: int) -> None:
        self._generator = np.random.default_rng(seed)
        self._moves = max(budget / batch - 1, 1)
        self._move = 0
        self._first_temperature = 1.0
        self._latents: Latents = on_shell(self._generator.standard_normal((batch, length)))
        self._scores: Numbers = np.full(batch, -np.inf)

    def ask(self, count: int) -> Latents:
        """As in `Optimizer`; the first are drawn from the prior."""
        if self._move == 0:
            return self._latents[:count].copy()
        first, last = self._STEPS
        step = first * (last / first) ** self._progress
        return perturbed(self._latents[:count], step, self._generator)

    def tell(self, candidates: Latents, scores: Numbers) -> None:
        """Takes what is better, and what is worse with the probability exp(-loss/temperature)."""
        count = len(scores)
        if self._move == 0:
            self._first_temperature = float(scores.std()) or 1.0
        temperature = self._temperature
        loss = np.maximum(self._scores[:count] - scores, 0)
        taken = self._generator.random(count) < np.exp(-loss / temperature)
        self._latents[:count][taken] = candidates[taken]
        self._scores[:count][taken] = scores[taken]
        before = 1 / temperature if self._move else 0.0  # The prior is infinitely hot.
        self._move += 1
        self._draw_again(1 / self._temperature - before)

    def _draw_again(self, fall: float) -> None:
        """Draws the chains anew, for a fall of the temperature given in inverse temperatures."""
        weights = np.exp(fall * (self._scores - self._scores.max()))
        chains = self._generator.choice(len(weights), len(weights), p=weights / weights.sum())
        self._latents, self._scores = self._latents[chains], self._scores[chains]

    @property
    def _temperature(self) -> float:
        return float(self._first_temperature * self._COOLING**self._progress)

    @property
    def _progress(self) -> float:
        """From 0 at the first move to 1 at the last."""
        return min(self._move / self._moves, 1.0)


class CovarianceMatrixAdaptation:
    """CMA-ES with a diagonal covariance, by `cma` (Ros & Hansen 2008; Hansen 2016).

    A full covariance of 128 numbers has 8,256 entries, far more than a few hundred scores can
    teach; a diagonal has 128. It starts as the prior: mean 0, deviation 1.

    Raises:
        ModuleNotFoundError: `cma` is not installed; the message says how to get it.
    """

    def __init__(self, length: int, *, batch: int, budget: int, seed: int) -> None:
        del budget
        generator = np.random.default_rng(seed)
        self._batch = batch
        self._drawn: list[Any] = []
        self._strategy = _cma().CMAEvolutionStrategy(
            np.zeros(length),
            1.0,
            {
                "popsize": batch,
                "CMA_diagonal": True,
                # A generator of its own: by default, it would seed that of the whole process.
                "randn": lambda *shape: generator.standard_normal(shape),
                "seed": np.nan,
                "verbose": -9,
                "verb_log": 0,
            },
        )

    def ask(self, count: int) -> Latents:
        """As in `Optimizer`."""
        self._drawn = self._strategy.ask(count)
        return on_shell(np.asarray(self._drawn))

    def tell(self, candidates: Latents, scores: Numbers) -> None:  # noqa: ARG002
        """Moves by the ranks of a whole batch; of fewer, which end a search, it learns nothing.

        It is told of the points before they were moved to the shell, among which it draws.
        """
        if len(scores) == self._batch:
            self._strategy.tell(self._drawn, list(-scores))


def _cma() -> Any:
    try:
        # Optional: loaded when it is needed.
        import cma
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(advice_for("cma"), name="cma") from error
    return cma


OptimizerFactory: TypeAlias = Callable[..., Optimizer]

OPTIMIZERS: Final[dict[str, OptimizerFactory]] = {
    "random": RandomSearch,
    "genetic": GeneticAlgorithm,
    "annealing": SimulatedAnnealing,
    "cma-es": CovarianceMatrixAdaptation,
}
"""By the names that a user gives; each takes (length, *, batch, budget, seed)."""
