"""Where the server's time went, by its own statistics."""

from typing import Any

from atelier._calls import AllStatistics
from atelier._client import Client
from atelier._conversation import Conversation

_PARTS = ("queue", "compute_input", "compute_infer", "compute_output")


def counters(client: Client) -> dict[str, Any]:
    """What the server counted of each model, all its versions together, since it was loaded."""
    return client._converse(_counters(), client.timeout)


def split(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What it counted between two moments, of each model that had requests.

    Returns:
        For each model the number of requests, the seconds that one took on average in its queue
        and in each part of the computation, and how many batches of each size there were. A model
        that calls others has their time in its own computation too; one with a queue of its own
        is counted until it has taken the request.
    """
    found = {}
    for model, now in after.items():
        then = before.get(model, _nothing())
        requests = now["requests"] - then["requests"]
        if requests <= 0:
            continue
        parts = {part: (now[part] - then[part]) / requests / 1e9 for part in _PARTS}
        batches = {
            size: count - then["batches"].get(size, 0) for size, count in now["batches"].items()
        }
        found[model] = {
            "requests": requests,
            **parts,
            "batches": {size: count for size, count in sorted(batches.items()) if count > 0},
        }
    return found


def _nothing() -> dict[str, Any]:
    return {"requests": 0, "batches": {}, **dict.fromkeys(_PARTS, 0)}


def _counters() -> Conversation[dict[str, Any]]:
    found: dict[str, Any] = {}
    for version in (yield AllStatistics("")):
        sums = found.setdefault(version.name, _nothing())
        sums["requests"] += version.inference_stats.success.count
        for part in _PARTS:
            sums[part] += getattr(version.inference_stats, part).ns
        for batch in version.batch_stats:
            size = int(batch.batch_size)
            sums["batches"][size] = sums["batches"].get(size, 0) + batch.compute_infer.count
    return found
