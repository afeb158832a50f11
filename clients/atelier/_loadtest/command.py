"""What `atelier loadtest` does: from its options to a report."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import numpy as np
from rich.console import Console

from atelier._balanced_transport import async_transport_to
from atelier._client import Client
from atelier._errors import AtelierError
from atelier._loadtest import profile
from atelier._loadtest.capacity import find_capacity
from atelier._loadtest.capacity_summary import (
    best_run,
    capacity_summary,
    print_capacity,
    print_found,
)
from atelier._loadtest.clients import Clients, OneProcess
from atelier._loadtest.environment import environment
from atelier._loadtest.live import Live, WatchedClients
from atelier._loadtest.measure import Window, measure
from atelier._loadtest.mlperf_summary import sentences
from atelier._loadtest.objectives import objectives
from atelier._loadtest.processes import Processes
from atelier._loadtest.recording import Recording
from atelier._loadtest.saturation import Throughput
from atelier._loadtest.sender import sender
from atelier._loadtest.server_split import counters, split
from atelier._loadtest.summary import run_summary
from atelier._loadtest.terminal import print_run
from atelier._loadtest.trial import Trial, TrialPlan
from atelier._loadtest.workload import Mix, Workload, size_of, weights, workload

__all__ = ["print_capacity", "print_found", "print_mlperf", "print_run", "run"]

_WAYS: Final = ("rate", "ramp", "steps", "trace", "callers", "find_capacity")


def run(
    options: Mapping[str, Any],
    tell: Callable[[Throughput | Trial], object] = lambda _: None,
    live: Live | None = None,
) -> dict[str, Any]:
    """Measures a run, or searches for the capacity.

    Args:
        options: Those of the command.
        tell: Is given what a search finds, as soon as it is found.
        live: Is told how far the run is.

    Raises:
        ValueError: An option cannot be read, or a trial is too short for an objective.
        AtelierError: The server does not answer, or does not serve a model.
    """
    mix, measured = _mix(options), _measurement(options, tell, live or Live())
    with Client(options["url"], timeout=options["timeout"], retries=0) as client:
        requests = workload(client, mix)
        about = environment(client, mix.models)
        before = counters(client)
        report = measured(requests)
        try:
            found = split(before, counters(client))
        except AtelierError:
            # It died meanwhile, which the failures say; what was measured is still to be written.
            found = {}
    settings = {name: value for name, value in options.items() if name not in ("o", "url")}
    return {
        "format": 1,
        "about": {**about, "settings": {name: _plain(value) for name, value in settings.items()}},
        **report,
        "server": found,
    }


def _measurement(
    options: Mapping[str, Any], tell: Callable[[Throughput | Trial], object], live: Live
) -> Callable[[Workload], dict[str, Any]]:
    """What to do with the requests; all options are read before any of them is made."""
    if options["mlperf"]:
        from atelier._loadtest.mlperf import mlperf_plan, run_mlperf

        asked, name = mlperf_plan(options), options["o"]
        folder, where = name.with_name(f"{name.name}-mlperf"), _where(options)
        return lambda requests: {
            "run": None,
            "mlperf": run_mlperf(asked, requests, folder, **where),
        }
    segments, plan = _segments(options), _trial_plan(options)

    async def measured(requests: Workload) -> dict[str, Any]:
        async with _clients(options, requests) as senders:
            clients = WatchedClients(senders, live)
            if plan is None:
                return {"run": await _run(options, clients, requests, segments)}
            found = await find_capacity(clients, requests, plan, tell)
            return {"run": best_run(found), "capacity": capacity_summary(found, plan)}

    return lambda requests: asyncio.run(measured(requests))


def print_mlperf(found: Mapping[str, Any], console: Console) -> None:
    """Prints what LoadGen found."""
    for sentence in sentences(found):
        console.print(sentence, highlight=False, soft_wrap=True)


def _where(options: Mapping[str, Any]) -> dict[str, Any]:
    return {"url": options["url"], "timeout": options["timeout"]}


@asynccontextmanager
async def _clients(options: Mapping[str, Any], requests: Workload) -> AsyncIterator[Clients]:
    if options["processes"] > 1:
        async with Processes(options["processes"], requests, **_where(options)) as several:
            yield several
        return
    transport = async_transport_to(options["url"])
    try:
        yield OneProcess(sender(transport, requests, **_where(options)))
    finally:
        await transport.close_async()


async def _run(
    options: Mapping[str, Any],
    clients: Clients,
    requests: Workload,
    segments: list[profile.Segment],
) -> dict[str, Any]:
    warmup = options["warmup"]
    if options["callers"]:
        seconds = warmup + options["seconds"]
        planned, drive = None, clients.closed_drive(options["callers"], seconds)
    else:
        planned = _planned(options, segments)
        seconds = warmup + sum(each.seconds for each in segments)
        if options["trace"]:
            seconds = warmup = 0.0
            seconds = float(planned[-1]) or 1.0
        drive = clients.open_drive(planned)
    recording = Recording(seconds - warmup, warmup)
    sent = await measure(drive, requests, recording, Window(seconds, warmup), planned)
    return run_summary(recording, sent, segments)


def _trial_plan(options: Mapping[str, Any]) -> TrialPlan | None:
    if not options["find_capacity"]:
        if options["slo"]:
            raise ValueError("--slo is for --find-capacity and --mlperf server")
        return None
    if not options["slo"]:
        raise ValueError(
            "--find-capacity needs to know what is to hold: add --slo, such as p99<300ms"
        )
    return TrialPlan(
        objectives(options["slo"]),
        options["seconds"],
        options["warmup"],
        options["arrivals"],
        options["seed"],
    )


def _planned(options: Mapping[str, Any], segments: list[profile.Segment]) -> profile.Moments:
    if options["trace"]:
        return profile.trace(options["trace"])
    warm = [profile.Segment(options["warmup"], segments[0].first, segments[0].first)]
    whole = [*(warm if options["warmup"] else []), *segments]
    random = np.random.default_rng(options["seed"])
    return profile.moments(whole, options["arrivals"], random)


def _mix(options: Mapping[str, Any]) -> Mix:
    sizes = weights(options["size"])
    for size in sizes:
        size_of(size)
    styles = weights(options["style"], ";") if options["style"] else {}
    return Mix(
        weights(options["model"]),
        sizes,
        styles,
        options["images"],
        options["encoding"],
        options["seed"],
    )


def _segments(options: Mapping[str, Any]) -> list[profile.Segment]:
    ways = [name for name in _WAYS if options[name]]
    if len(ways) != 1:
        names = [f"--{name.replace('_', '-')}" for name in _WAYS]
        given = " and ".join(f"--{way.replace('_', '-')}" for way in ways) or "nothing"
        raise ValueError(f"give one of {', '.join(names[:-1])} and {names[-1]}; there is {given}")
    seconds = options["seconds"]
    match ways[0]:
        case "rate":
            return profile.steady(options["rate"], seconds)
        case "ramp":
            first, last = _rates(options["ramp"], ":", 2)
            return profile.ramp(first, last, seconds)
        case "steps":
            return profile.steps(_rates(options["steps"], ","), seconds)
    return []


def _rates(text: str, separator: str, count: int | None = None) -> list[float]:
    try:
        rates = [float(part) for part in text.split(separator)]
    except ValueError:
        rates = []
    if not rates or not all(0 < rate < 1e6 for rate in rates) or count not in (None, len(rates)):
        example = f"5{separator}50"
        raise ValueError(f"rates {text!r}: give numbers above 0, such as {example}")
    return rates


def _plain(value: object) -> object:
    return value if isinstance(value, int | float | str | None) else str(value)
