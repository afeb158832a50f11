"""What changed from one load test to another, and whether it is more than the noise."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from atelier._loadtest.latencies import QUANTILES, Percentile
from atelier._loadtest.noise import samples

Report: TypeAlias = Mapping[str, Any]
Verdict: TypeAlias = Literal[
    "worse", "slightly worse", "within the noise", "slightly better", "better"
]
Unit: TypeAlias = Literal["seconds", "a second", "share"]

_LOAD: Final = (
    "model", "size", "style", "images", "encoding", "arrivals", "rate", "ramp", "steps", "trace",
    "callers", "mlperf", "slo", "seconds",
)  # fmt: skip
"""The settings that make the load: where one differs, the server had something else to do."""


@dataclass(frozen=True)
class Difference:
    """A figure of both runs.

    Attributes:
        name: Such as `p99 at 20/s`.
        before: The figure of the first run and its bounds.
        after: The same of the second one.
        unit: Of both; the more requests a second, the better, and of anything else the worse.
    """

    name: str
    before: Percentile
    after: Percentile
    unit: Unit

    @property
    def change(self) -> float | None:
        """The change as a share of what was before; None where that cannot be said."""
        before, after = self.before.value, self.after.value
        if not 0 < before < float("inf") or after == float("inf"):
            return None
        return after / before - 1

    def verdict(self, tolerance: float) -> Verdict:
        """What to say of it.

        Args:
            tolerance: The share by which a figure may be worse, beyond its noise.
        """
        good, bad = self.before, self.after
        if self.unit == "a second":
            good, bad = bad, good
        if bad.low > good.high:
            return "worse" if bad.low > good.high * (1 + tolerance) else "slightly worse"
        if bad.high < good.low:
            return "better" if bad.high * (1 + tolerance) < good.low else "slightly better"
        return "within the noise"


@dataclass(frozen=True)
class Comparison:
    """Two runs beside each other.

    Attributes:
        differences: Of the figures.
        not_compared: Which figures are missing, and why.
        changes: What else differs: its name, before, after.
    """

    differences: list[Difference]
    not_compared: list[str]
    changes: list[tuple[str, str, str]]

    def worse(self, tolerance: float) -> list[Difference]:
        """The figures that became worse by more than the noise and the tolerance."""
        return [each for each in self.differences if each.verdict(tolerance) == "worse"]


def compare(before: Report, after: Report) -> Comparison:
    """Compares the reports of two load tests.

    Raises:
        ValueError: They are not comparable; it says why.
        LookupError, TypeError: One of them is no report.
    """
    _check_load(before, after)
    changes = list(_changes(before["about"], after["about"]))
    if "capacity" in before:
        return Comparison(list(_capacities(before, after)), [], changes)
    for name, report in (("first", before), ("second", after)):
        _check_run(name, report["run"])
    differences, missing = [], []
    parts = samples(before["run"]), samples(after["run"])
    if parts[0].keys() != parts[1].keys():
        raise ValueError("one of the runs ended before it had sent at every rate")
    for part, one in parts[0].items():
        other = parts[1][part]
        for name, quantile in QUANTILES.items():
            first, second = one.percentile(quantile), other.percentile(quantile)
            if first is None or second is None:
                few = min(one.whole.total, other.whole.total)
                missing.append(f"{name} {part}".strip() + f": {few:,} requests cannot carry it")
            else:
                differences.append(_difference(name, part, first, second, "seconds"))
        shares = one.failed_share(), other.failed_share()
        differences.append(_difference("failed", part, *shares, "share"))
        rates = one.answered(), other.answered()
        differences.append(_difference("answered", part, *rates, "a second"))
    return Comparison(differences, missing, changes)


def _difference(
    name: str, part: str, before: Percentile, after: Percentile, unit: Unit
) -> Difference:
    return Difference(f"{name} {part}".strip(), before, after, unit)


def _capacities(before: Report, after: Report) -> Iterator[Difference]:
    """What a search showed lies between a rate that it showed to hold and one that failed."""
    for name, holds, fails in (
        ("capacity", "holds", "fails"),
        ("queue is steady", "queue_is_steady", "queue_grows"),
    ):
        first, second = (
            Percentile(each[holds] or 0.0, each[holds] or 0.0, each[fails] or float("inf"))
            for each in (before["capacity"], after["capacity"])
        )
        yield Difference(name, first, second, "a second")


def _check_load(before: Report, after: Report) -> None:
    first, second = before["about"]["settings"], after["about"]["settings"]
    for name in _LOAD:
        if first.get(name) != second.get(name):
            raise ValueError(
                f"the loads differ: {name} is {_text(first.get(name))} in the first and "
                f"{_text(second.get(name))} in the second; run both with the same"
            )
    if ("capacity" in before) != ("capacity" in after):
        raise ValueError("one is a run and the other a search for the capacity")


def _check_run(name: str, run: Mapping[str, Any] | None) -> None:
    if run is None:
        raise ValueError(f"the {name} report has no run of ours in it, of which to know the noise")
    if run["interrupted"]:
        raise ValueError(f"the {name} run was interrupted; run it again")
    if run["client_was_the_bottleneck"]:
        raise ValueError(
            f"in the {name} run the client, not the server, was the bottleneck: "
            "nothing follows about the server"
        )


def _changes(before: Any, after: Any, name: str = "") -> Iterator[tuple[str, str, str]]:
    """What differs between two parts of a report, and the values before and after."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in dict.fromkeys((*before, *after)):
            if (name, key) != ("", "time"):
                yield from _changes(before.get(key), after.get(key), f"{name} {key}".strip())
    elif before != after:
        yield name, _text(before), _text(after)


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "not given" if value is None else str(value)
