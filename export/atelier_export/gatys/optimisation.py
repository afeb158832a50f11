"""The slow way to paint: optimisation of the pixels (Gatys et al. 2016, CVPR).

    image x  →  VGG-19  →  loss = a·content(x, photograph) + b·style(x, painting) + c·variation(x)

Nothing is trained: any painting will do, and each image is optimised from scratch. It is the
reference for fast networks.

The variable is unbounded and the loss sees it clamped to 0..1, so that the reported loss is that of
the image that is saved, and no step is clipped without the optimizer's knowledge, which would give
L-BFGS a wrong curvature. A clamped value gets no gradient, so a weak penalty pulls it back to the
bound, where it gets one again. After 50 to 150 evaluations this reached a lower loss than a
sigmoid, than the clamp alone, and than unbounded values clamped at the end.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from atelier_export.losses.perceptual import PerceptualLoss
from atelier_export.losses.weights import LossWeights
from atelier_export.settings import setting
from atelier_export.training.device import fast_precision

METHOD = 1
"""Version of the method, part of the key of stored curves: raise it when the images change."""

Start = Literal["photograph", "noise"]
Optimizer = Literal["lbfgs", "adam"]
Precision = Literal["bfloat16", "float32"]

# Weight of the penalty, the mean squared distance from 0..1; ten times as much did as well.
_PENALTY_WEIGHT = 1000.0
# Mean change of a value in the first iteration, before L-BFGS knows any curvature.
_FIRST_STEP = 0.01
# Pairs of differences kept by L-BFGS; a hundred did no better at five times the memory.
_HISTORY = 20
_LINE_SEARCH_EVALUATIONS = 10
_ADAM_LEARNING_RATE = 0.05


@dataclass(frozen=True)
class PaintSettings(LossWeights):
    """How a photograph is painted; each has an effect on the result.

    Attributes:
        iterations: Limit; the optimizer stops early when it finds no lower loss.
        start: The photograph itself, or uniform noise as in the paper, whose grain fades slowly.
        optimizer: L-BFGS as in the paper, with a line search; or Adam.
        precision: Of the convolutions; bfloat16 halves the time on a processor that has it;
            others compute in float32.
        seed: Seed of the noise.
    """

    iterations: int = setting(
        200, "Limit of iterations; stops early when no lower loss is found.", minimum=0
    )
    start: Start = setting("photograph", "Initial image of the optimisation.")
    optimizer: Optimizer = setting("lbfgs", "L-BFGS as in the paper, or Adam.")
    precision: Precision = setting("bfloat16", "Precision of the convolutions.")
    seed: int = setting(0, "Seed of the noise.", minimum=0)


@dataclass(frozen=True)
class CurvePoint:
    """The loss after an iteration, and its terms without their weights.

    Attributes:
        iteration: 0 is the start.
        evaluations: Evaluations of the loss and its gradient so far.
        content: Content distance, see `losses`.
        style: Style distance.
        variation: Total variation.
        loss: The weighted sum.
    """

    iteration: int
    evaluations: int
    content: float
    style: float
    variation: float
    loss: float


def paint(
    perceptual_loss: PerceptualLoss, photograph: Tensor, style: int, settings: PaintSettings
) -> Iterator[tuple[CurvePoint, Tensor]]:
    """Optimises an image towards a photograph's content and a painting's style.

    Args:
        perceptual_loss: Of the paintings.
        photograph: (3, H, W), RGB in 0..1, on the device of the loss network, at least 16×16.
        style: Index of the painting.
        settings: How to paint.

    Yields:
        At the start and after every iteration, the point of the curve and the current image,
        (3, H, W) in 0..1.

    Raises:
        ValueError: The loss is not finite, as with huge weights.
    """
    objective = _Objective(perceptual_loss, photograph, style, settings)
    make = _Adam if settings.optimizer == "adam" else _LBFGS
    optimizer = make(objective)
    yield objective.point(0), objective.image()
    for iteration in range(1, settings.iterations + 1):
        if not optimizer.step():
            return
        yield objective.point(iteration), objective.image()


class _Objective:
    """The loss as a function of the variable: the closure of PyTorch's optimizers."""

    def __init__(
        self,
        perceptual_loss: PerceptualLoss,
        photograph: Tensor,
        style: int,
        settings: PaintSettings,
    ) -> None:
        start = photograph[None]
        if settings.start == "noise":
            generator = torch.Generator().manual_seed(settings.seed)
            start = torch.rand(start.shape, generator=generator).to(photograph.device)
        self.variable = start.clone(memory_format=torch.contiguous_format).requires_grad_()
        self._perceptual_loss = perceptual_loss
        self._content = perceptual_loss.content(photograph[None])
        self._style = torch.tensor([style], device=photograph.device)
        self._settings = settings
        self._evaluations = 0
        self._evaluated_at: Tensor | None = None
        self._value = torch.tensor(math.nan)
        self._terms = (math.nan, math.nan, math.nan, math.nan)

    def __call__(self) -> Tensor:
        """Computes the loss and its gradient, unless the variable has not changed."""
        # An iteration starts where the previous line search has evaluated last.
        if self._evaluated_at is not None and torch.equal(self._evaluated_at, self.variable):
            return self._value

        # Loss and penalty
        self.variable.grad = None
        with torch.enable_grad():
            image = self.variable.clamp(0, 1)
            with fast_precision(image.device, enabled=self._settings.precision == "bfloat16"):
                distances = self._perceptual_loss(image, self._content, self._style)
            loss = self._settings.total(distances)[0]
            penalty = (self.variable - image).square().mean()

            # Gradient, times the number of values: so the optimizer's thresholds on a value's
            # gradient do not depend on the size of the image.
            value = self.variable.numel() * (loss + _PENALTY_WEIGHT * penalty)
            value.backward()  # type: ignore[no-untyped-call]

        # Terms for the curve
        content, style, variation = distances.content, distances.style, distances.variation
        terms = torch.stack([content[0], style[0], variation[0], loss]).tolist()
        if not all(map(math.isfinite, terms)):
            raise ValueError(f"the loss is {terms[-1]}; choose smaller weights")
        self._terms = tuple(terms)
        self._evaluations += 1
        self._evaluated_at = self.variable.detach().clone()
        self._value = value.detach()
        return self._value

    def point(self, iteration: int) -> CurvePoint:
        self()
        return CurvePoint(iteration, self._evaluations, *self._terms)

    def image(self) -> Tensor:
        return self.variable.detach()[0].clamp(0, 1)


class _LBFGS:
    """Single iterations of L-BFGS, each with a line search for the strong Wolfe conditions.

    The search seldom needs a second evaluation, so it is nearly free. It prevents steps so long
    that the image turns black or white, where it would have no gradient.
    """

    def __init__(self, objective: _Objective) -> None:
        self._objective = objective
        self._optimizer = self._new_optimizer()

    def _new_optimizer(self) -> torch.optim.LBFGS:
        variable = self._objective.variable
        return torch.optim.LBFGS(
            [variable],
            lr=_FIRST_STEP * variable.numel(),
            max_iter=1,
            max_eval=1 + _LINE_SEARCH_EVALUATIONS,
            tolerance_grad=0,
            tolerance_change=0,
            history_size=_HISTORY,
            line_search_fn="strong_wolfe",
        )

    def step(self) -> bool:
        """Moves the variable; False if no lower loss was found."""
        if self._iterate():
            return True
        # The curvature of earlier iterations may not hold here: once more without it.
        self._optimizer = self._new_optimizer()
        return self._iterate()

    def _iterate(self) -> bool:
        before = self._objective.variable.detach().clone()
        self._optimizer.step(self._objective)  # type: ignore[no-untyped-call]
        self._optimizer.param_groups[0]["lr"] = 1.0
        return not torch.equal(before, self._objective.variable)


class _Adam:
    """Iterations of Adam, which tolerates that the variable is clamped to 0..1 after each."""

    def __init__(self, objective: _Objective) -> None:
        self._objective = objective
        self._optimizer = torch.optim.Adam([objective.variable], lr=_ADAM_LEARNING_RATE)

    def step(self) -> bool:
        self._objective()
        self._optimizer.step()
        self._objective.variable.data.clamp_(0, 1)
        return True
