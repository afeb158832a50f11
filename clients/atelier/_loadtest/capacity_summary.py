"""What a search for the capacity says, in the JSON file and in the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from atelier._loadtest.capacity import Capacity
from atelier._loadtest.confidence import CONFIDENCE
from atelier._loadtest.saturation import Throughput
from atelier._loadtest.terminal import value_text
from atelier._loadtest.trial import Trial, TrialPlan

_TITLES = {"holds": "holds", "fails": "fails", "undecided": "not decided"}


def capacity_summary(found: Capacity, plan: TrialPlan) -> dict[str, Any]:
    """A search; rates in requests a second, None where there is none."""
    return {
        "objectives": [each.text for each in plan.objectives],
        "seconds": plan.seconds,
        "confidence": CONFIDENCE,
        "holds": found.holds,
        "fails": found.fails,
        "queue_is_steady": found.queue_is_steady,
        "queue_grows": found.queue_grows,
        "saturation": {
            "rate": found.saturation.rate,
            "callers": found.saturation.callers,
            "client_was_the_bottleneck": found.saturation.client_was_the_bottleneck,
        },
        "throughputs": [{"callers": each.callers, "rate": each.rate} for each in found.throughputs],
        "trials": [_trial(each) for each in found.trials],
        "interrupted": found.interrupted,
        "stopped": found.stopped,
    }


def best_run(found: Capacity) -> dict[str, Any] | None:
    """The run at the capacity, or the one at the lowest rate, with all trials as its points."""
    if not found.trials:
        return None
    rate = found.holds or min(each.rate for each in found.trials)
    run = next(dict(each.run) for each in found.trials if each.rate == rate)
    points = [point for each in found.trials for point in each.run["points"]]
    return {**run, "points": sorted(points, key=lambda point: float(point["rate"]))}


def print_found(found: Throughput | Trial, console: Console) -> None:
    """Says what was found, while the search goes on."""
    if isinstance(found, Throughput):
        callers = "1 caller" if found.callers == 1 else f"{found.callers} callers"
        text = f"{callers}, each waiting for the response: {found.rate:.4g}/s"
    else:
        latencies = ", ".join(
            f"{name} {value_text(found.run['latency'][name])}" for name in ("p50", "p95", "p99")
        )
        grew = "; the queue grew" if found.queue_grew else ""
        text = f"{found.rate:.4g}/s planned: {latencies}: {_TITLES[found.verdict]}{grew}"
    console.print(text, highlight=False, soft_wrap=True)


def print_capacity(capacity: Mapping[str, Any], console: Console) -> None:
    """Prints what a search found."""
    table = Table("rate", "requests", "worth", "late", "verdict", "queue", "p50", "p99")
    for trial in sorted(capacity["trials"], key=lambda trial: float(trial["rate"])):
        evidence = trial["evidence"].values()
        table.add_row(
            f"{trial['rate']:.4g}/s",
            f"{trial['latency']['requests']:,}",
            " ".join(f"{each['independent']:,}" for each in evidence),
            " ".join(f"{each['late']:,}" for each in evidence),
            _TITLES[trial["verdict"]],
            "grew" if trial["queue_grew"] else "steady",
            *(value_text(trial["latency"][name]) for name in ("p50", "p99")),
        )
    console.print(table)
    for sentence in sentences(capacity):
        console.print(sentence, highlight=False, soft_wrap=True)


def sentences(capacity: Mapping[str, Any]) -> list[str]:
    """The result in words."""
    objectives = " and ".join(capacity["objectives"])
    holds, fails = capacity["holds"], capacity["fails"]
    steady, grows = capacity["queue_is_steady"], capacity["queue_grows"]
    found = []
    if holds is not None:
        found.append(
            f"Capacity: {objectives} held at {holds:.4g}/s for {capacity['seconds']:g} s. "
            + (f"It failed at {fails:.4g}/s." if fails else "It failed at no rate.")
        )
    elif capacity["trials"]:
        found.append(f"No rate was shown to hold {objectives}; --seconds may be too few.")
    if capacity["trials"]:
        found.append(
            f"Each verdict is wrong with a probability of {1 - capacity['confidence']:.0%} at "
            "most, as far as bursts of late requests come independently of each other."
        )
        found += _contradictions(capacity["trials"])
    most = capacity["saturation"]
    found.append(
        f"At saturation, with {most['callers']} requests under way, the server answered "
        f"{most['rate']:.4g}/s"
        + (", and the client could send no more." if most["client_was_the_bottleneck"] else ".")
    )
    if grows is not None:
        kept = f"; at {steady:.4g}/s it did not" if steady else ""
        found.append(f"The queue grew at {grows:.4g}/s{kept}.")
    if capacity["stopped"]:
        found.append(f"The search ended early: {capacity['stopped']}.")
    return found


def _contradictions(trials: Sequence[Mapping[str, Any]]) -> list[str]:
    failed = [each["rate"] for each in trials if each["verdict"] == "fails"]
    others = [each["rate"] for each in trials if each["verdict"] != "fails"]
    if not failed or not others or min(failed) > max(others):
        return []
    return [
        f"The trial at {min(failed):.4g}/s failed, and the one at {max(others):.4g}/s did not: "
        "something else disturbed one of them. Search again on a quiet machine."
    ]


def _trial(trial: Trial) -> dict[str, Any]:
    return {
        "rate": trial.rate,
        "verdict": trial.verdict,
        "queue_grew": trial.queue_grew,
        "evidence": {
            text: {
                "requests": each.requests,
                "late": each.late,
                "independent": each.independent,
            }
            for text, each in trial.evidence.items()
        },
        "rate_answered": trial.run["rate_answered"],
        "client_was_the_bottleneck": trial.run["client_was_the_bottleneck"],
        "latency": trial.run["latency"],
        "lateness": trial.run["lateness"],
    }
