"""The highest rate at which objectives hold, and the one at which the queue begins to grow."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from atelier._loadtest.clients import Clients
from atelier._loadtest.objectives import Objective
from atelier._loadtest.saturation import Throughput, saturation
from atelier._loadtest.trial import Trial, TrialPlan, try_rate
from atelier._loadtest.workload import Workload

PRECISION: Final = 0.05
"""A search ends where the next rate would differ by less than this share."""
_FIRST: Final = 0.8
"""The first rate that is tried, of the throughput at saturation."""
_UP: Final = 1.25
_DOWN: Final = 0.7
_MOST_TRIALS: Final = 24
_LOOP_SECONDS: Final = 5.0
"""How long a closed loop lasts at least; a quarter of a trial, if that is longer."""


@dataclass
class Capacity:
    """What a search found.

    Attributes:
        throughputs: Closed loops with more and more callers.
        trials: In the order in which they were made.
        stopped: Why the search ended before its end; "" where it did not.
    """

    throughputs: list[Throughput]
    trials: list[Trial] = field(default_factory=list)
    stopped: str = ""

    @property
    def interrupted(self) -> bool:
        """Whether somebody ended it."""
        loops = any(each.interrupted for each in self.throughputs)
        return loops or any(each.run["interrupted"] for each in self.trials)

    @property
    def saturation(self) -> Throughput:
        """The closed loop of the highest throughput."""
        return max(self.throughputs, key=lambda each: each.rate)

    @property
    def holds(self) -> float | None:
        """The highest rate that was shown to hold, below any that was shown to fail."""
        below = self.fails or math.inf
        return highest(each.rate for each in self._with("holds") if each.rate < below)

    @property
    def fails(self) -> float | None:
        """The lowest rate that was shown to fail."""
        return lowest(each.rate for each in self._with("fails"))

    @property
    def queue_grows(self) -> float | None:
        """The lowest rate at which the queue grew."""
        return lowest(each.rate for each in self._valid() if each.queue_grew)

    @property
    def queue_is_steady(self) -> float | None:
        """The highest rate below it at which the queue did not grow."""
        below = self.queue_grows or math.inf
        steady = (each for each in self._valid() if not each.queue_grew)
        return highest(each.rate for each in steady if each.rate < below)

    @property
    def not_shown(self) -> float | None:
        """The lowest rate that was not shown to hold."""
        return lowest(each.rate for each in self._valid() if each.verdict != "holds")

    def _valid(self) -> list[Trial]:
        return [each for each in self.trials if each.measured_the_server]

    def _with(self, verdict: str) -> list[Trial]:
        return [each for each in self._valid() if each.verdict == verdict]


def highest(rates: Iterable[float]) -> float | None:
    """The highest of them, or None where there is none."""
    return max(rates, default=None)


def lowest(rates: Iterable[float]) -> float | None:
    """The lowest of them, or None where there is none."""
    return min(rates, default=None)


def next_rate(good: float | None, bad: float | None, first: float, least: float) -> float | None:
    """The rate to try next, or None where it is known well enough.

    Args:
        good: The highest rate at which all is well.
        bad: The lowest rate at which it is not.
        first: The rate to begin with.
        least: Below it, a trial says nothing.
    """
    if bad is None:
        return first if good is None else good * _UP
    if good is None:
        return None if bad <= least else max(least, bad * _DOWN)
    return None if bad <= good * (1 + PRECISION) else math.sqrt(good * bad)


async def find_capacity(
    clients: Clients,
    workload: Workload,
    plan: TrialPlan,
    tell: Callable[[Throughput | Trial], object] = lambda _: None,
) -> Capacity:
    """Searches for the capacity.

    Args:
        clients: Who sends.
        workload: What they send.
        plan: Of each trial.
        tell: Is given what was found, as soon as it is.

    Raises:
        ValueError: A trial is too short to show that an objective holds.
    """
    loop_seconds = max(_LOOP_SECONDS, plan.seconds / 4)
    found = Capacity(await saturation(clients, workload, loop_seconds))
    for each in found.throughputs:
        tell(each)
    most = found.saturation.rate
    if found.interrupted:
        found.stopped = "it was interrupted"
        return found
    if most == 0:
        found.stopped = f"in {loop_seconds:g} s the server answered nothing"
        return found
    check_duration(plan.objectives, plan.seconds, most)
    least = max(each.least for each in plan.objectives) / plan.seconds
    first = max(_FIRST * most, least)

    async def search(bounds: Callable[[], tuple[float | None, float | None]], least: float) -> None:
        while not found.stopped:
            rate = next_rate(*bounds(), first, least)
            if rate is None:
                return
            trial = await try_rate(clients, workload, plan, rate, len(found.trials))
            found.trials.append(trial)
            tell(trial)
            found.stopped = _reason_to_stop(found, trial)

    await search(lambda: (found.holds, found.not_shown), least)
    await search(lambda: (found.queue_is_steady, found.queue_grows), 0.1 * most)
    return found


def check_duration(objectives: Sequence[Objective], seconds: float, most: float) -> None:
    """Refuses a duration that cannot decide an objective.

    Args:
        objectives: What is to be shown.
        seconds: The duration of a trial.
        most: Requests a second that the server does at most.

    Raises:
        ValueError: It says how long a trial must be.
    """
    for each in objectives:
        if most * seconds < each.least:
            needed = math.ceil(each.least / most)
            raise ValueError(
                f"{each.text} takes {each.least:,} requests to show, with none of them late; in "
                f"{seconds:g} s the server answers {int(most * seconds):,} at most ({most:.3g}/s). "
                f"Give --seconds {needed} or more; {2 * needed} leave room for late ones."
            )


def _reason_to_stop(found: Capacity, trial: Trial) -> str:
    if trial.run["interrupted"]:
        return "it was interrupted"
    if trial.run["answered"] == 0:
        return f"at {trial.rate:.4g}/s the server answered nothing"
    if trial.run["client_was_the_bottleneck"]:
        return (
            f"at {trial.rate:.4g}/s the client, not the server, was the bottleneck; give it more "
            "--processes or a machine of its own"
        )
    if len(found.trials) >= _MOST_TRIALS:
        return f"after {_MOST_TRIALS} trials it was not clear yet; give more --seconds"
    return ""
