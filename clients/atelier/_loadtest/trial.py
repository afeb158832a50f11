"""A run at one rate, and whether it shows that objectives hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from atelier._loadtest.bursts import Evidence, evidence
from atelier._loadtest.clients import Clients
from atelier._loadtest.loops import Outcome
from atelier._loadtest.measure import Window, measure
from atelier._loadtest.objectives import DOUBT, Objective, Verdict
from atelier._loadtest.profile import Arrivals, moments, steady
from atelier._loadtest.recording import Recording
from atelier._loadtest.summary import run_summary
from atelier._loadtest.workload import Workload

_LOOKS: Final = 4
"""How often it is looked whether a trial has failed already, its end included."""
_REFUSED: Final = 0.01
"""A queue whose server fails more than this share of the requests is as good as one that grows."""
_MOMENTS: Final = 100
"""At which the number of requests under way is looked at, in each third of a trial."""


@dataclass(frozen=True)
class TrialPlan:
    """What all trials of a search have in common.

    Attributes:
        objectives: What is to hold, all of it.
        seconds: How long each trial lasts, without its warm-up.
        warmup: Seconds before that, which do not count.
        arrivals: Poisson or constant.
        seed: Another one draws other arrivals.
    """

    objectives: Sequence[Objective]
    seconds: float
    warmup: float
    arrivals: Arrivals
    seed: int


@dataclass(frozen=True)
class Trial:
    """What a trial showed.

    Attributes:
        rate: Requests a second that were planned.
        evidence: For each objective, by its text.
        verdict: Whether the objectives hold.
        queue_grew: Whether the server fell behind.
        run: See `run_summary`.
    """

    rate: float
    evidence: Mapping[str, Evidence]
    verdict: Verdict
    queue_grew: bool
    run: Mapping[str, Any]

    @property
    def measured_the_server(self) -> bool:
        """Whether the trial went as planned; otherwise nothing follows from it."""
        return not (self.run["client_was_the_bottleneck"] or self.run["interrupted"])


async def try_rate(
    clients: Clients, workload: Workload, plan: TrialPlan, rate: float, number: int
) -> Trial:
    """Sends at a rate, and stops early where the objectives fail beyond doubt.

    Args:
        clients: Who sends.
        workload: What they send.
        plan: See `TrialPlan`.
        rate: Requests a second.
        number: Of the trial; each has arrivals of its own.
    """
    seconds = plan.warmup + plan.seconds
    random = np.random.default_rng([plan.seed, number])
    planned = moments(steady(rate, seconds), plan.arrivals, random)
    watch = _Watch(plan, int((planned >= plan.warmup).sum()))
    recording = Recording(plan.seconds, plan.warmup)
    drive = clients.open_drive(planned, watch.enough)
    sent = await measure(
        drive, workload, recording, Window(seconds, plan.warmup), planned, watch.record
    )
    found, verdict = watch.judged()
    run = run_summary(recording, sent, steady(rate, plan.seconds))
    if run["client_was_the_bottleneck"] or run["interrupted"]:
        verdict = "undecided"
    elif watch.grew:
        verdict = "fails"
    return Trial(rate, found, verdict, watch.grew, run)


@dataclass
class _Watch:
    """The outcomes of a trial, as they come."""

    plan: TrialPlan
    due: int
    counted: int = 0
    failed: bool = False
    outcomes: list[Outcome] = field(default_factory=list)

    def record(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        if outcome.planned < self.plan.warmup:
            return
        self.counted += 1
        if any(self.counted == self.due * look // _LOOKS for look in range(1, _LOOKS)):
            self.failed = self.failed or self.judged()[1] == "fails"

    def enough(self) -> bool:
        return self.failed

    def judged(self) -> tuple[dict[str, Evidence], Verdict]:
        planned, _, latencies = self._columns()
        counts = planned >= self.plan.warmup
        doubt = DOUBT / _LOOKS / len(self.plan.objectives)
        found, holds, fails = {}, True, self.failed
        for each in self.plan.objectives:
            shown = evidence(latencies[counts], each.limit, each.share)
            found[each.text] = shown
            holds = holds and each.holds(shown)
            fails = fails or each.fails(shown, doubt)
        return found, "fails" if fails else "holds" if holds else "undecided"

    @property
    def grew(self) -> bool:
        planned, done, latencies = self._columns()
        if not len(planned):
            return False
        refused = float(np.isinf(latencies).mean()) > _REFUSED
        return refused or queue_grew(planned, done, self.plan.warmup)

    def _columns(self) -> tuple[npt.NDArray[np.float64], ...]:
        """When each was due and done, and its latency (infinite: failed), by when it was due."""
        rows = np.array(
            [(each.planned, each.done, bool(each.failure)) for each in self.outcomes], np.float64
        ).reshape(-1, 3)
        planned, done, failed = rows[np.argsort(rows[:, 0], kind="stable")].T
        return planned, done, np.where(failed > 0, np.inf, done - planned)


def queue_grew(
    planned: npt.NDArray[np.float64], done: npt.NDArray[np.float64], start: float
) -> bool:
    """Whether more and more requests were under way, until the last one was sent.

    That is, whether in the last third of the time hardly ever so few were under way as were at most
    in the first. A queue that is long but comes to an end now and then does not grow.

    Args:
        planned: When each request was due, in ascending order.
        done: When each was done.
        start: The moment from which on it is looked at.
    """
    times = np.linspace(start, max(planned[-1], start), 3 * _MOMENTS)
    under_way = np.searchsorted(planned, times, "right") - np.searchsorted(
        np.sort(done), times, "right"
    )
    first, last = under_way[:_MOMENTS], under_way[-_MOMENTS:]
    return bool(np.quantile(last, 0.05) > np.quantile(first, 0.95))
