"""Iterations to match: how many the slow optimisation needs to reach a network's loss.

The comparison of Johnson et al. 2016, section 4.1, who start the optimisation from noise.
"""

import logging
import math
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean
from typing import Any

from atelier_export.gatys.curve_file import CurveFile
from atelier_export.gatys.optimisation import METHOD, CurvePoint, PaintSettings, Start, paint
from atelier_export.losses.perceptual import PerceptualLoss
from atelier_export.style.held_out import HeldOut
from atelier_export.style.perceptual_distances import PaintedDistances

_log = logging.getLogger(__name__)

_MILESTONES = (0, 10, 20, 30, 50, 75, 100, 150, 200, 300, 500)


@dataclass(frozen=True)
class Optimisation:
    """A run of `paint`: one photograph in one style from one start.

    Attributes:
        photograph: Its name.
        painting: The style's name.
        start: The initial image.
        curve: The loss from iteration 0 on.
    """

    photograph: str
    painting: str
    start: Start
    curve: list[CurvePoint]

    def iterations_to(self, loss: float) -> int | None:
        """The first iteration with at most this loss, or None."""
        return next((point.iteration for point in self.curve if point.loss <= loss), None)

    def at(self, iteration: int) -> CurvePoint:
        """The point at an iteration, or the last one if the optimisation stopped earlier."""
        return self.curve[min(iteration, len(self.curve) - 1)]


def optimise(
    perceptual_loss: PerceptualLoss,
    photographs: Sequence[HeldOut],
    styles: Sequence[str],
    starts: Sequence[Start],
    settings: PaintSettings,
    curves: CurveFile,
    identity: Mapping[str, Any],
) -> list[Optimisation]:
    """Optimises each photograph in each style from each start, unless its curve is stored.

    Args:
        perceptual_loss: Of the paintings, in the order of `styles`.
        photographs: The images to repaint.
        styles: The names.
        starts: The initial images.
        settings: Of the optimisation; `start` is ignored.
        curves: The stored curves; each new one is appended at once.
        identity: What the curves depend on beyond the photographs and the settings, as plain JSON;
            under `paintings` one value per style.
    """
    combinations = [
        (photograph, number, start)
        for photograph in photographs
        for number in range(len(styles))
        for start in starts
    ]
    optimisations = []
    for count, (photograph, number, start) in enumerate(combinations, start=1):
        # Look the curve up
        settings = replace(settings, start=start)
        key = _key(photograph, styles[number], settings, identity)
        curve = curves.find(key, settings.iterations)

        # Optimise
        if curve is None:
            began = time.monotonic()
            stages = paint(perceptual_loss, photograph.tensor[0], number, settings)
            curve = [point for point, _ in stages]
            curves.append(key, settings.iterations, curve)
            _log.info(
                "optimisation %d of %d: %s, %s from %s, loss %.4f after %d iterations, %.0f s",
                count, len(combinations), photograph.name, styles[number], start,
                curve[-1].loss, curve[-1].iteration, time.monotonic() - began,
            )  # fmt: skip
        optimisations.append(Optimisation(photograph.name, styles[number], start, curve))
    return optimisations


def summarise_iterations(
    optimisations: Sequence[Optimisation],
    painted: Sequence[PaintedDistances],
    iterations: int,
) -> dict[str, Any]:
    """For each start, the iterations to match the losses of the network's paintings.

    Args:
        optimisations: The runs of the optimisation.
        painted: The network's distances for these photographs and styles, and maybe others.
        iterations: The optimisations' limit.

    Returns:
        For each start, medians per style under `styles` and over all under `all`, None where they
        exceed the limit; the single comparisons under `images`; and under `curve` the
        optimisation's mean terms at some iterations.
    """
    losses = {(each.photograph, each.painting): each.loss for each in painted}
    return {
        start: _summarise_start(
            [each for each in optimisations if each.start == start], losses, iterations
        )
        for start in dict.fromkeys(each.start for each in optimisations)
    }


def _summarise_start(
    optimisations: Sequence[Optimisation], losses: Mapping[tuple[str, str], float], iterations: int
) -> dict[str, Any]:
    # Compare each run with the network
    images: list[dict[str, Any]] = []
    for each in optimisations:
        loss = losses[each.photograph, each.painting]
        count = each.iterations_to(loss)
        images.append(
            {
                "photograph": each.photograph,
                "painting": each.painting,
                "network_loss": loss,
                "iterations": count,
                "evaluations": None if count is None else each.at(count).evaluations,
                "least_loss": min(point.loss for point in each.curve),
            }
        )

    # Summarise by style
    counts: dict[str, list[int | None]] = {}
    for row in images:
        counts.setdefault(row["painting"], []).append(row["iterations"])
    milestones = [each for each in _MILESTONES if each < iterations]
    return {
        "styles": {style: median_iterations(each) for style, each in counts.items()},
        "all": median_iterations([row["iterations"] for row in images]),
        "curve": [_mean_point(optimisations, at) for at in [*milestones, iterations]],
        "images": images,
    }


def _mean_point(optimisations: Sequence[Optimisation], iteration: int) -> dict[str, float]:
    points = [asdict(each.at(iteration)) for each in optimisations]
    means = {name: fmean(point[name] for point in points) for name in points[0]}
    return {**means, "iteration": iteration}


def median_iterations(counts: Sequence[int | None]) -> float | None:
    """The median, where None counts as infinity; None if the median is infinite."""
    median = statistics.median(math.inf if count is None else count for count in counts)
    return None if math.isinf(median) else median


def _key(
    photograph: HeldOut, style: str, settings: PaintSettings, identity: Mapping[str, Any]
) -> dict[str, Any]:
    """All that a curve depends on, without the number of iterations and an unused seed."""
    described = asdict(settings)
    del described["iterations"]
    if settings.start == "photograph":
        del described["seed"]
    common = {name: value for name, value in identity.items() if name != "paintings"}
    return {
        "method": METHOD,
        "photograph": photograph.sha256,
        "side": photograph.pixels.shape[0],
        "painting": identity["paintings"][style],
        **common,
        **described,
    }
