"""What LoadGen found, in words."""

from collections.abc import Mapping
from typing import Any, Final

_SUBMISSION_SECONDS: Final = 600
"""What MLPerf asks of a run that is submitted."""


def sentences(mlperf: Mapping[str, Any]) -> list[str]:
    """The result in words."""
    result = mlperf["result"]
    found = [f"LoadGen calls this {mlperf['scenario']} run {result['result_validity']}."]
    found += [f"{key}: {value}" for key, value in _reasons(mlperf["summary"])]
    found += [
        f"{count:,} requests failed with {name}; LoadGen does not know, so the run is invalid."
        for name, count in mlperf["failures"].items()
    ]
    if mlperf["settings"]["seconds"] < _SUBMISSION_SECONDS:
        found.append(
            f"A run that is submitted to MLPerf lasts {_SUBMISSION_SECONDS} s or more; this one was"
            f" asked for {mlperf['settings']['seconds']:g} s."
        )
    return found


def _reasons(summary: str) -> list[tuple[str, str]]:
    """The lines of the summary that say what is satisfied."""
    lines = (line.partition(":") for line in summary.splitlines())
    pairs = ((key.strip(), value.strip()) for key, _, value in lines)
    return [(key, value) for key, value in pairs if key.endswith(" satisfied")]
