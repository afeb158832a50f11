"""What `atelier loadtest` does: from its options to a report."""

import asyncio
from collections.abc import Mapping
from typing import Any

import numpy as np

from atelier._balanced_transport import async_transport_to
from atelier._client import Client
from atelier._errors import AtelierError
from atelier._loadtest import profile
from atelier._loadtest.environment import environment
from atelier._loadtest.measure import Window, closed_drive, measure, open_drive
from atelier._loadtest.recording import Recording
from atelier._loadtest.sender import sender
from atelier._loadtest.server_split import counters, split
from atelier._loadtest.summary import run_summary
from atelier._loadtest.terminal import print_run
from atelier._loadtest.workload import Mix, Workload, size_of, weights, workload

__all__ = ["print_run", "run"]


def run(options: Mapping[str, Any]) -> dict[str, Any]:
    """Measures a run.

    Raises:
        ValueError: An option cannot be read.
        AtelierError: The server does not answer, or does not serve a model.
    """
    mix, segments = _mix(options), _segments(options)
    with Client(options["url"], timeout=options["timeout"], retries=0) as client:
        requests = workload(client, mix)
        about = environment(client, mix.models)
        before = counters(client)
        report = asyncio.run(_run(options, requests, segments))
        try:
            found = split(before, counters(client))
        except AtelierError:
            # It died meanwhile, which the failures say; what was measured is still to be written.
            found = {}
    settings = {name: value for name, value in options.items() if name not in ("o", "url")}
    return {
        "format": 1,
        "about": {**about, "settings": {name: _plain(value) for name, value in settings.items()}},
        "run": report,
        "server": found,
    }


async def _run(
    options: Mapping[str, Any], requests: Workload, segments: list[profile.Segment]
) -> dict[str, Any]:
    warmup, url = options["warmup"], options["url"]
    transport = async_transport_to(url)
    send = sender(transport, requests, url=url, timeout=options["timeout"])
    try:
        if options["callers"]:
            seconds = warmup + options["seconds"]
            planned, drive = None, closed_drive(send, options["callers"], seconds)
        else:
            planned = _planned(options, segments)
            seconds = warmup + sum(each.seconds for each in segments)
            if options["trace"]:
                seconds = warmup = 0.0
                seconds = float(planned[-1]) or 1.0
            drive = open_drive(send, planned)
        window = Window(seconds, warmup)
        recording = Recording(seconds - warmup, warmup)
        sent = await measure(drive, requests, recording, window, planned)
        return run_summary(recording, sent, segments)
    finally:
        await transport.close_async()


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
    ways = [name for name in ("rate", "ramp", "steps", "trace", "callers") if options[name]]
    if len(ways) != 1:
        given = " and ".join(f"--{way}" for way in ways) or "nothing"
        raise ValueError(
            f"give one of --rate, --ramp, --steps, --trace and --callers; there is {given}"
        )
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
