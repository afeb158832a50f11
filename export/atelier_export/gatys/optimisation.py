"""The slow way to paint: optimisation of the pixels themselves (Gatys et al. 2016, CVPR).

    image x  →  VGG-19  →  loss = a·content(x, photograph) + b·style(x, painting) + c·variation(x)

Nothing is trained: any painting serves, and each image is descended to anew. It is what a fast
network is measured against.

The variable is unbounded and the loss sees it clamped to 0..1, so that the loss reported is that of
the image that can be saved, and no step is cut short without the optimizer's knowledge, from which
L-BFGS would learn a wrong curvature. A clamped value gets no gradient, so a weak pull brings it
back to the bound, where it gets one again. Compared after 50 to 150 evaluations this came lower
than a sigmoid, than the clamp alone, and than no bound but a clamp in the end.
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

METHOD = 1
"""To be raised when the same settings lead to other images: curves kept on disk carry it."""

Start = Literal["photograph", "noise"]
Optimizer = Literal["lbfgs", "adam"]
Precision = Literal["bfloat16", "float32"]

# The pull is this times the mean squared distance from 0..1; ten times as much did as well.
_PULL = 1000.0
# Mean change of a value in the first iteration, before L-BFGS knows any curvature.
_FIRST_STEP = 0.01
# Pairs of differences kept by L-BFGS; a hundred did no better at five times the memory.
_HISTORY = 20
_LINE_SEARCH_TRIALS = 10
_ADAM_LEARNING_RATE = 0.05


@dataclass(frozen=True)
class PaintSettings(LossWeights):
    """How a photograph is painted; each has an effect on the result.

    Attributes:
        iterations: Of the optimizer, at most: it ends before when it finds nothing better.
        start: The photograph itself, or uniform noise as in the paper, whose grain goes slowly.
        optimizer: L-BFGS as in the paper, with a line search; or Adam.
        precision: Of the convolutions. In bfloat16 a CPU that knows it takes half the time.
        seed: Seed of the noise.
    """

    iterations: int = setting(
        200, "Iterations at most: it ends before when it finds nothing better.", minimum=0
    )
    start: Start = setting("photograph", "What the optimisation begins with.")
    optimizer: Optimizer = setting("lbfgs", "L-BFGS as in the paper, or Adam.")
    precision: Precision = setting("bfloat16", "Of the convolutions.")
    seed: int = setting(0, "Seed of the noise.", minimum=0)


@dataclass(frozen=True)
class CurvePoint:
    """The loss after an iteration, and its terms without their weights.

    Attributes:
        iteration: 0 is the start.
        evaluations: How often the loss and its gradient have been computed so far.
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
    """Descends from the start to an image with the photograph's content in a painting's style.

    Args:
        perceptual_loss: Knows the paintings.
        photograph: (3, H, W), RGB in 0..1, on the device of the loss network, at least 16×16.
        style: Number of the painting.
        settings: How to paint.

    Yields:
        For the start and after every iteration, the point of the curve and the image as it is,
        (3, H, W) in 0..1.

    Raises:
        ValueError: The loss is not a finite number, as with weights beyond all measure.
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
    """The loss as a function of the variable, in the shape that PyTorch's optimizers call."""

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
        self._evaluated: Tensor | None = None
        self._value = torch.tensor(math.nan)
        self._terms = (math.nan, math.nan, math.nan, math.nan)

    def __call__(self) -> Tensor:
        """Computes the loss and its gradient by the variable, once for each place."""
        # An iteration begins where the line search of the one before has looked last.
        if self._evaluated is not None and torch.equal(self._evaluated, self.variable):
            return self._value
        self.variable.grad = None
        with torch.enable_grad():
            image = self.variable.clamp(0, 1)
            with torch.autocast(
                image.device.type, torch.bfloat16, enabled=self._settings.precision == "bfloat16"
            ):
                distances = self._perceptual_loss(image, self._content, self._style)
            loss = self._settings.total(distances)[0]
            excess = (self.variable - image).square().mean()
            # Times the number of values, so that thresholds on a value's gradient do not depend
            # on the size of the image.
            value = self.variable.numel() * (loss + _PULL * excess)
            value.backward()  # type: ignore[no-untyped-call]
        content, style, variation = distances.content, distances.style, distances.variation
        terms = torch.stack([content[0], style[0], variation[0], loss]).tolist()
        if not all(map(math.isfinite, terms)):
            raise ValueError(f"the loss is {terms[-1]}; choose smaller weights")
        self._terms = tuple(terms)
        self._evaluations += 1
        self._evaluated = self.variable.detach().clone()
        self._value = value.detach()
        return self._value

    def point(self, iteration: int) -> CurvePoint:
        self()
        return CurvePoint(iteration, self._evaluations, *self._terms)

    def image(self) -> Tensor:
        return self.variable.detach()[0].clamp(0, 1)


class _LBFGS:
    """Single iterations of L-BFGS, each with a line search for the strong Wolfe conditions.

    The search seldom has to try twice, so it costs next to nothing, and a step that leads astray
    cannot leave the image black or white, where it would have no gradient.
    """

    def __init__(self, objective: _Objective) -> None:
        self._objective = objective
        self._optimizer = self._fresh()

    def _fresh(self) -> torch.optim.LBFGS:
        variable = self._objective.variable
        return torch.optim.LBFGS(
            [variable],
            lr=_FIRST_STEP * variable.numel(),
            max_iter=1,
            max_eval=1 + _LINE_SEARCH_TRIALS,
            tolerance_grad=0,
            tolerance_change=0,
            history_size=_HISTORY,
            line_search_fn="strong_wolfe",
        )

    def step(self) -> bool:
        """Moves the variable; False if no lower place was found."""
        if self._moved():
            return True
        # What it has learnt of the curvature may not hold here: once more without.
        self._optimizer = self._fresh()
        return self._moved()

    def _moved(self) -> bool:
        before = self._objective.variable.detach().clone()
        self._optimizer.step(self._objective)  # type: ignore[no-untyped-call]
        self._optimizer.param_groups[0]["lr"] = 1.0
        return not torch.equal(before, self._objective.variable)


class _Adam:
    """Iterations of Adam, which tolerates that values are put back into 0..1 after each."""

    def __init__(self, objective: _Objective) -> None:
        self._objective = objective
        self._optimizer = torch.optim.Adam([objective.variable], lr=_ADAM_LEARNING_RATE)

    def step(self) -> bool:
        self._objective()
        self._optimizer.step()
        self._objective.variable.data.clamp_(0, 1)
        return True
