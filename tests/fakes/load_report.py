"""Reports of load tests that nobody had to run."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from atelier._loadtest.loops import Outcome
from atelier._loadtest.profile import moments, steps
from atelier._loadtest.recording import Recording
from atelier._loadtest.summary import Sent, run_summary

NASTY = "<script>alert('&')</script>"
"""A text from outside that must not become a part of a page."""


def load_report(
    rates: Sequence[float] = (20,),
    seconds: float = 40,
    *,
    seed: int = 0,
    latency: float = 0.03,
    latencies: Callable[[np.random.Generator, Any], Any] | None = None,
    failure: Callable[[int], str] = lambda number: "",
    **settings: Any,
) -> dict[str, Any]:
    """What `atelier loadtest` writes after requests whose latencies were drawn at random.

    Args:
        rates: Requests a second, one step after another.
        seconds: How long all of them take.
        seed: Another one draws other latencies.
        latency: Their median, in seconds.
        latencies: Draws them otherwise, given when each request is due.
        failure: What failed of the request of a number; "" where it was answered.
        settings: Others than the usual ones.
    """
    random = np.random.default_rng(seed)
    segments = steps(rates, seconds)
    planned = moments(segments, "poisson", random)
    recording = Recording(seconds)
    if latencies is None:
        took = latency * random.lognormal(0, 0.4, len(planned))
    else:
        took = latencies(random, planned)
    for number, due in enumerate(planned.tolist()):
        outcome = Outcome(number, due, due + 0.001, due + took[number], failure(number))
        recording.record(outcome, ("stylize", "classify")[number % 2], 65_536)
    sent = Sent(len(planned), seconds, interrupted=False, processor=1.0, elapsed=seconds)
    timed = {
        "queue": 0.004,
        "compute_input": 0.0001,
        "compute_infer": 0.02,
        "compute_output": 0.001,
    }
    way = {"steps": ",".join(map(str, rates))} if len(rates) > 1 else {"rate": float(rates[0])}
    usual = dict.fromkeys(("rate", "ramp", "steps", "trace", "callers", "style", "images"))
    return {
        "format": 1,
        "about": {
            "time": "2026-01-01T00:00:00+00:00",
            "url": "localhost:8001",
            "models": {"stylize": ["1"], "classify": ["1"]},
            "machine": {
                "processor": NASTY,
                "cores": 2,
                "memory_bytes": 2**34,
                "system": "Linux",
                "python": "3.11.7",
            },
            "packages": {"numpy": "1.26.4"},
            "settings": {
                **usual,
                "model": "stylize,classify",
                "seconds": seconds,
                "warmup": 2.0,
                "arrivals": "poisson",
                "size": "256x256",
                "encoding": "jpeg",
                "seed": seed,
                "timeout": 30.0,
                **way,
                **settings,
            },
        },
        "run": run_summary(recording, sent, segments),
        "server": {
            "style": {"requests": 400, **timed, "batches": {"1": 300, "4": 25}},
            "decode": {"requests": 400, **timed, "batches": {"1": 400}},
            NASTY: {"requests": 400, **timed, "batches": {"1": 400}},
        },
        "command": f"atelier loadtest {NASTY}",
    }
