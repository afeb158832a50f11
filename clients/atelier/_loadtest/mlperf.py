"""MLPerf's own load generator, LoadGen, with the service as the system under test.

LoadGen plans, sends and judges by its own rules (Reddi et al., arXiv:1911.02549): how long a run
is at least, and how many queries a percentile needs ("early stopping"). It is there to be compared
with; what its scenarios do not reach is for our own runs. It knows no failed request, so that one
counts as answered there, and makes the run invalid here. It cannot be stopped, and runs in a
process of its own that can be.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

from atelier._loadtest.mlperf_process import LoadGenSettings, run_loadgen
from atelier._loadtest.objectives import Objective, objectives
from atelier._loadtest.spawning import spawned
from atelier._loadtest.workload import Workload

Scenario: TypeAlias = Literal["singlestream", "multistream", "server", "offline"]

SCENARIOS: Final[tuple[Scenario, ...]] = get_args(Scenario)
_LOADGEN_NAMES: Final = {
    "singlestream": "SingleStream",
    "multistream": "MultiStream",
    "server": "Server",
    "offline": "Offline",
}
_RATED: Final = ("server", "offline")
_NOT_FOR_LOADGEN: Final = ("ramp", "steps", "trace", "callers", "find_capacity")


@dataclass(frozen=True)
class MlperfPlan:
    """What LoadGen is asked to do.

    Attributes:
        scenario: One of its scenarios.
        seconds: How long it runs at least.
        rate: Queries a second: the target of `server`, what is expected of `offline`; 0 otherwise.
        objective: Of `server`; None otherwise.
        seed: Of its schedule and its choice of samples.
    """

    scenario: Scenario
    seconds: float
    rate: float
    objective: Objective | None
    seed: int


def mlperf_plan(options: Mapping[str, Any]) -> MlperfPlan:
    """The plan that a user asks for.

    Raises:
        ValueError: An option is missing, or is not for this scenario.
    """
    scenario, rate, slo = options["mlperf"], options["rate"], options["slo"]
    for name in _NOT_FOR_LOADGEN:
        if options[name]:
            raise ValueError(f"--{name.replace('_', '-')} is not for --mlperf")
    if options["processes"] > 1:
        raise ValueError("--processes is not for --mlperf: LoadGen is one process")
    if (scenario in _RATED) != bool(rate):
        raise ValueError(
            f"--mlperf {scenario} needs --rate, the queries a second"
            if scenario in _RATED
            else f"--mlperf {scenario} has no --rate: it sends when it has an answer"
        )
    if (scenario == "server") != bool(slo):
        raise ValueError(
            "--mlperf server needs --slo, one percentile of its latency, such as p99<300ms"
            if scenario == "server"
            else f"--mlperf {scenario} has no --slo: LoadGen asks for no latency there"
        )
    asked = objectives(slo) if slo else [None]
    objective = asked[0]
    if len(asked) > 1 or (objective is not None and not objective.is_a_percentile):
        raise ValueError(f"--slo {slo}: LoadGen takes one percentile, such as p99<300ms")
    return MlperfPlan(scenario, options["seconds"], rate or 0.0, objective, options["seed"])


def run_mlperf(
    plan: MlperfPlan, workload: Workload, folder: Path, *, url: str, timeout: float
) -> dict[str, Any]:
    """Has LoadGen measure.

    Args:
        plan: What it does.
        workload: What is sent; each of its samples is one of LoadGen's.
        folder: Where its own logs go.
        url: The server's address.
        timeout: Seconds for each request.

    Returns:
        The settings, what LoadGen's detailed log says of the result, its summary as text, how many
        requests failed, and whether the run is valid.

    Raises:
        ChildProcessError: LoadGen ended without a result.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings = _settings(plan)
    process, connection = spawned(run_loadgen, workload, settings, str(folder), url, timeout)
    try:
        failures: dict[str, int] = connection.recv()
    except EOFError as error:
        process.join()
        raise ChildProcessError(
            f"LoadGen ended with {process.exitcode} and without a result; see {folder}"
        ) from error
    finally:
        process.kill()
        process.join()
        connection.close()
    result = _result(folder / "mlperf_log_detail.txt")
    return {
        "scenario": plan.scenario,
        "objective": plan.objective.text if plan.objective else None,
        "settings": asdict(settings),
        "failures": failures,
        "valid": result["result_validity"] == "VALID" and not failures,
        "result": result,
        "summary": (folder / "mlperf_log_summary.txt").read_text(),
        "logs": str(folder),
    }


def _settings(plan: MlperfPlan) -> LoadGenSettings:
    objective = plan.objective
    return LoadGenSettings(
        scenario=_LOADGEN_NAMES[plan.scenario],
        seconds=plan.seconds,
        rate=plan.rate,
        limit=objective.limit if objective else 0.0,
        quantile=1 - objective.share if objective else 0.0,
        seed=plan.seed,
    )


def _result(log: Path) -> dict[str, Any]:
    """What the detailed log, a JSON object a line, says of the result."""
    found = {}
    for line in log.read_text().splitlines():
        entry = json.loads(line.removeprefix(":::MLLOG "))
        if entry["key"].startswith(("result_", "early_stopping_", "loadgen_version")):
            found[entry["key"]] = entry["value"]
    if "result_validity" not in found:
        raise ChildProcessError(f"LoadGen wrote no result; see {log}")
    return found
