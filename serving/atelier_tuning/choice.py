"""Which arrangement to take, and the table that shows why."""

from __future__ import annotations

import math
from collections.abc import Sequence

from atelier_tuning.trial import Measured

NOISE = 0.03
"""Arrangements this close to the best one count as equally good: machines are not quieter."""


def choose(measured: Sequence[Measured], aim: str) -> Measured:
    """Chooses the best by the aim; of those that are as good, the best by the other measure.

    Where that is no choice either, the plainest is taken: the first in the list.

    Args:
        measured: The plainest first.
        aim: "throughput", requests a second of several callers, or "latency", of one alone.
    """
    left = list(measured)
    for measure in ("throughput", "latency") if aim == "throughput" else ("latency", "throughput"):
        if measure == "throughput":
            least = max(each.rate for each in left) * (1 - NOISE)
            left = [each for each in left if each.rate >= least]
        else:
            most = min(each.latency for each in left) * (1 + NOISE)
            left = [each for each in left if each.latency <= most]
    return left[0]


def table(measured: Sequence[Measured], chosen: Measured, callers: int) -> str:
    """Shows all arrangements as a Markdown table, the chosen one marked."""
    heads = [
        "",
        "instances",
        "threads",
        "batch",
        "delay",
        "alone, p50",
        f"{callers} callers",
        "p99",
    ]
    rows = [heads, ["---", *["---:"] * (len(heads) - 1)]]
    for each in measured:
        arrangement = each.arrangement
        rows.append(
            [
                "chosen" if each is chosen else "",
                str(arrangement.instances),
                str(arrangement.threads or "free"),
                str(arrangement.batch) if arrangement.batch > 1 else "none",
                f"{arrangement.delay / 1000:g} ms" if arrangement.batch > 1 else "",
                f"{each.latency:.1f} ms",
                f"{each.rate:.1f}/s",
                "" if math.isnan(each.p99) else f"{each.p99:.0f} ms",
            ]
        )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
