"""What a server says of its models: whether they are ready, their steps, what it counted."""

from dataclasses import dataclass

from atelier._calls import AllStatistics, ModelConfig, ModelReady
from atelier._conversation import Conversation


@dataclass(frozen=True)
class ModelStatistics:
    """Sums over all versions of a model since each was loaded.

    Attributes:
        requests: Requests that were answered.
        queue: Seconds that they waited in its queue.
        compute: Seconds that it took for them, from the moment that they left the queue until their
            outputs were computed; of a model such as `stylize`, which has a queue of its own, only
            until it took them over.
    """

    requests: int
    queue: float
    compute: float


def statistics() -> Conversation[dict[str, ModelStatistics]]:
    """Asks for the statistics of every model, by name."""
    sums: dict[str, ModelStatistics] = {}
    for version in (yield AllStatistics("")):
        counted, before = version.inference_stats, sums.get(version.name, ModelStatistics(0, 0, 0))
        # Not `compute_output`: it goes on after the response of a step of an ensemble is on its
        # way, beside the next step.
        nanoseconds = counted.compute_input.ns + counted.compute_infer.ns
        sums[version.name] = ModelStatistics(
            before.requests + counted.success.count,
            before.queue + counted.queue.ns / 1e9,
            before.compute + nanoseconds / 1e9,
        )
    return sums


def steps(model: str) -> Conversation[list[str]]:
    """Asks for the models that a model calls: the steps of an ensemble, or what it names itself."""
    config = yield ModelConfig(model)
    if config.HasField("ensemble_scheduling"):
        return [step.model_name for step in config.ensemble_scheduling.step]
    named = config.parameters["calls"].string_value if "calls" in config.parameters else ""
    return [name.strip() for name in named.split(",") if name.strip()]


def ready(model: str, url: str) -> Conversation[None]:
    """Asks whether a model is ready, see `ModelReady`."""
    yield ModelReady(model, url)
