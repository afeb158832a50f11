"""What a recording says, as it stands in the JSON file and as the reports print it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from atelier._loadtest.latencies import QUANTILES, Latencies, refusal
from atelier._loadtest.profile import Segment
from atelier._loadtest.recording import Recording

_LATE = 0.1
"""The client is the bottleneck where its lateness makes more than this share of the latency."""
_LEAST_LATENESS = 0.002
"""Seconds; an event loop's clock is no finer."""
_BUSY = 0.9
"""Or where its processes have a core busy for more than this share of the time."""


@dataclass(frozen=True)
class Sent:
    """What the client did.

    Attributes:
        planned: How many requests were due, those of the warm-up left out.
        seconds: How long the plan was, without the warm-up.
        interrupted: Whether somebody stopped it before its end.
        processor: Seconds of processor time that the client took, all its processes together.
        elapsed: Seconds that it ran.
        processes: How many processes sent.
    """

    planned: int
    seconds: float
    interrupted: bool
    processor: float
    elapsed: float
    processes: int = 1

    @property
    def cores(self) -> float:
        """How many cores the client kept busy."""
        return self.processor / max(self.elapsed, 1e-9)


def latency_summary(latencies: Latencies) -> dict[str, Any]:
    """Each percentile with its bounds in seconds, or why there is none."""
    found: dict[str, Any] = {"requests": latencies.total, "failed": latencies.failed}
    for name, quantile in QUANTILES.items():
        percentile = latencies.percentile(quantile)
        if percentile is None:
            found[name] = {"refused": refusal(quantile, latencies.total)}
        else:
            found[name] = {
                "seconds": _finite(percentile.value),
                "low": _finite(percentile.low),
                "high": _finite(percentile.high),
            }
    found["mean"], found["longest"] = latencies.mean(), latencies.longest
    return found


def run_summary(recording: Recording, sent: Sent, segments: Sequence[Segment]) -> dict[str, Any]:
    """A run; `segments` are those of its plan, for the latency against the rate."""
    whole = recording.latencies()
    return {
        "planned": sent.planned,
        "seconds": sent.seconds,
        "interrupted": sent.interrupted,
        "answered": whole.answered,
        "failures": dict(recording.failures()),
        "not_sent_or_not_done": sent.planned - whole.total,
        "rate_asked": sent.planned / sent.seconds,
        "rate_answered": whole.answered / max(sent.seconds, recording.last_done),
        "pixels_per_second": recording.pixels / max(sent.seconds, recording.last_done),
        "latency": latency_summary(whole),
        "service": latency_summary(recording.service),
        "lateness": latency_summary(recording.lateness),
        "models": {
            model: latency_summary(latencies)
            for model, latencies in sorted(recording.by_model.items())
        },
        "client_processes": sent.processes,
        "client_cores": sent.cores,
        "client_was_the_bottleneck": client_was_the_bottleneck(recording, sent),
        "interval_seconds": recording.width,
        "intervals": [
            {
                "answered": interval.latencies.answered,
                "failures": dict(interval.failures),
                "done": interval.done,
                "ended": interval.ended,
                "latencies": interval.latencies.encoded(),
            }
            for interval in recording.intervals
        ],
        "points": _points(recording, segments),
    }


def client_was_the_bottleneck(recording: Recording, sent: Sent) -> bool:
    """Whether the latency is in large part the client's own lateness.

    A closed loop is never late. There it is the processor that says so: a client process has one
    thread that sends and reads.
    """
    late, whole = recording.lateness.mean(), recording.latencies().mean()
    return late > max(_LATE * whole, _LEAST_LATENESS) or sent.cores > _BUSY * sent.processes


def _points(recording: Recording, segments: Sequence[Segment]) -> list[dict[str, Any]]:
    points, start = [], 0.0
    for segment in segments:
        end = start + segment.seconds
        intervals = recording.between(start, end)
        latencies = recording.latencies(start, end)
        if latencies.total:
            points.append(
                {
                    "start": start,
                    "seconds": segment.seconds,
                    "rate": (segment.first + segment.last) / 2,
                    "answered": sum(interval.done for interval in intervals)
                    / (len(intervals) * recording.width),
                    "latency": latency_summary(latencies),
                }
            )
        start = end
    return points


def _finite(seconds: float) -> float | str:
    """JSON has no infinity."""
    return "failed" if math.isinf(seconds) else seconds
