"""A soak with faults: mixed traffic at a share of the capacity, while things break.

    python bench/chaos.py [--seconds 3600] [--interval 60] [--share 0.8] [--output out/chaos.json]
                          [--fault "stop of triton" ...]

Every well-formed call must be answered, within its timeout, with what a server without faults
answers. Nothing may grow: in the second half Triton is not killed, and memory, threads, files and
shared memory at its end are held against those at its beginning. Client and server run on the same
cores. The report says what was promised and did not hold; the exit code is 1 then.
"""

import argparse
import asyncio
import json
import math
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from skimage import data

from atelier import AsyncClient, AtelierError, Client
from atelier_serving import TritonServer

sys.path.insert(0, str(Path(__file__).parent))
from chaos_faults import FAULTS, Fault, Served
from chaos_resources import Sample, growth, sample

REPOSITORY = Path(__file__).parents[1] / "model_repository"
CALLERS = 8
IN_FLIGHT = 64
TIMEOUT = 120.0
TOLERANCE = 2
"""Levels of 255 by which an image may differ: runs share the cores in one way or another."""

Ask = Callable[[AsyncClient], Awaitable[Any]]


@dataclass(frozen=True)
class Kind:
    """One kind of call.

    Attributes:
        name: What the report calls it.
        weight: Its share of the calls.
        ask: Makes the call; the result is an image, images, or text.
    """

    name: str
    weight: float
    ask: Ask


def kinds() -> list[Kind]:
    """The mixed traffic of the published models."""
    photo = Image.fromarray(data.astronaut())
    small, wide = photo.resize((256, 256)), photo.resize((480, 320))

    async def labels(art: AsyncClient) -> str:
        found = await art.classify(small, top=1)
        return f"{found.movement}, {found.era}"

    return [
        Kind("stylize 256x256", 4, lambda art: art.stylize(small, "great_wave")),
        Kind("stylize 480x320", 2, lambda art: art.stylize(wide, "udnie", keep_colors=True)),
        Kind("classify", 6, labels),
        Kind("generate", 2, lambda art: art.generate(2, movement="ukiyo_e", seed=7)),
        Kind("reconstruct", 2, lambda art: art.reconstruct(small)),
    ]


def difference(answer: Any, expected: Any) -> str:
    """How an answer differs from that of a server without faults; "" where it does not."""
    if isinstance(answer, str):
        return "" if answer == expected else f"{answer} in place of {expected}"
    if isinstance(answer, list):
        if len(answer) != len(expected):
            return f"{len(answer)} images in place of {len(expected)}"
        each = (difference(*pair) for pair in zip(answer, expected, strict=True))
        return next(filter(None, each), "")
    pixels, right = (np.asarray(each, np.int16) for each in (answer, expected))
    if pixels.shape != right.shape:
        return f"the shape {pixels.shape} in place of {right.shape}"
    levels = np.abs(pixels - right)
    if levels.max() <= TOLERANCE:
        return ""
    return f"{np.count_nonzero(levels > TOLERANCE)} values differ, by {levels.max()} at most"


@dataclass
class Tally:
    """What became of the calls.

    Attributes:
        served: How many of each kind.
        seconds: How long they took.
        lost: Calls without an answer: the kind and the error.
        wrong: Answers that differ.
        left_out: Calls that were not made, since too many were under way.
    """

    served: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    left_out: int = 0


class Traffic:
    """Calls of all kinds, whose answers are compared with those before any fault."""

    def __init__(self, kinds: Sequence[Kind], folder: Path, seed: int = 0) -> None:
        """Keeps the kinds, and the folder for images that are wrong."""
        self._kinds = kinds
        self._folder = folder
        self._random = random.Random(seed)
        self._expected: dict[str, Any] = {}
        self.tally = Tally()

    async def learn(self, art: AsyncClient) -> None:
        """Takes what the server answers now as right."""
        for kind in self._kinds:
            self._expected[kind.name] = await kind.ask(art)

    async def call(self, art: AsyncClient) -> None:
        """Makes a call, and judges its answer."""
        weights = [kind.weight for kind in self._kinds]
        (kind,) = self._random.choices(self._kinds, weights)
        start = time.monotonic()
        try:
            answer = await kind.ask(art)
        except AtelierError as error:
            self.tally.lost.append(f"{kind.name}: {type(error).__name__}: {error}")
            return
        seconds = time.monotonic() - start
        expected = self._expected[kind.name]
        if wrong := await asyncio.to_thread(difference, answer, expected):
            self.tally.wrong.append(f"{kind.name}: {wrong}")
            print(f"wrong: {kind.name}: {wrong}", file=sys.stderr)
            if isinstance(answer, Image.Image):
                number = len(self.tally.wrong)
                answer.save(self._folder / f"wrong-{number}.png")
                expected.save(self._folder / f"wrong-{number}-expected.png")
        self.tally.served[kind.name] += 1
        self.tally.seconds.append(seconds)

    async def capacity(self, art: AsyncClient, seconds: float) -> float:
        """Calls that are answered each second, with CALLERS of them at once."""
        end = time.monotonic() + seconds
        before = self.tally.served.total()

        async def caller() -> None:
            while time.monotonic() < end:
                await self.call(art)

        await asyncio.gather(*(caller() for _ in range(CALLERS)))
        return (self.tally.served.total() - before) / seconds

    async def run(self, art: AsyncClient, rate: float, seconds: float) -> None:
        """Makes calls at random moments, whatever becomes of them, and waits for all.

        None is made while IN_FLIGHT are under way, so that what waits here grows no memory.
        """
        calls: set[asyncio.Task[None]] = set()
        due = time.monotonic()
        end = due + seconds
        while due < end:
            await asyncio.sleep(due - time.monotonic())
            if len(calls) < IN_FLIGHT:
                call = asyncio.create_task(self.call(art))
                calls.add(call)
                call.add_done_callback(calls.discard)
            else:
                self.tally.left_out += 1
            due += self._random.expovariate(rate)
        await asyncio.gather(*calls)


@dataclass
class Soak:
    """What the faults and the measurements share.

    `steady` tells whether the server's processes may be compared with what they hold later: in the
    second half, once those faults have happened after which they hold more, and between two faults.
    """

    served: Served
    seconds: float
    interval: float
    done: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    steady: bool = False

    async def break_things(self, faults: Sequence[Fault], seed: int = 0) -> None:
        """Has a fault happen after each interval; those that end Triton only in the first half.

        The second half begins with those after which a server holds more, as often as it takes
        until it does not grow by them.
        """
        chosen = random.Random(seed)
        start = time.monotonic()
        turn: list[Fault] = []
        settling: list[Fault] = []
        halfway = False
        while (now := time.monotonic() - start) + self.interval < self.seconds:
            await asyncio.sleep(self.interval)
            now += self.interval
            if now > self.seconds / 2 and not halfway:
                halfway = True
                faults = [each for each in faults if not each.ends_triton]
                settling = [each for each in faults for _ in range(each.settles_after)]
                turn = []
                if not faults:
                    self.steady = True
                    return
            turn = turn or chosen.sample(faults, len(faults))
            fault = (settling or turn).pop()
            self.steady = False
            print(f"after {now:.0f} s: {fault.name}", file=sys.stderr)
            try:
                await asyncio.to_thread(fault.happen, self.served)
            except Exception as error:
                self.failed.append(f"{fault.name}: {error!r}")
            self.done[fault.name] += 1
            self.steady = halfway and not settling

    async def watch(self) -> None:
        """Samples what the processes hold while they are steady."""
        end = time.monotonic() + self.seconds
        while time.monotonic() < end:
            await asyncio.sleep(max(1.0, self.interval / 10))
            if self.steady:
                self.samples.append(await asyncio.to_thread(sample))


def verdict(tally: Tally, soak: Soak) -> list[str]:
    """What was promised and did not hold."""
    broken = []
    if tally.lost:
        broken.append(f"{len(tally.lost)} calls were lost, such as {tally.lost[0]}")
    if tally.wrong:
        broken.append(f"{len(tally.wrong)} answers were wrong, such as {tally.wrong[0]}")
    if soak.failed:
        broken.append(f"{len(soak.failed)} faults did not go as they should: {soak.failed[0]}")
    return broken + growth(soak.samples)


async def soak(server: TritonServer, models: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    traffic = Traffic(kinds(), arguments.output.parent, arguments.seed)
    faults = [each for each in FAULTS if not arguments.fault or each.name in arguments.fault]
    with Client(server.grpc_url) as art:
        art.wait_ready(model="generate")
    async with AsyncClient(server.grpc_url, timeout=TIMEOUT, max_in_flight=IN_FLIGHT) as art:
        await traffic.learn(art)
        capacity = await traffic.capacity(art, arguments.capacity_seconds)
        rate = arguments.share * capacity
        print(f"capacity {capacity:.1f}/s, so {rate:.1f}/s", file=sys.stderr)
        traffic.tally = Tally()
        state = Soak(Served(server, models), arguments.seconds, arguments.interval)
        await asyncio.gather(
            traffic.run(art, rate, arguments.seconds),
            state.break_things(faults, arguments.seed),
            state.watch(),
        )
    tally = traffic.tally
    percentiles = np.percentile(tally.seconds or [math.nan], [50, 99, 100])
    return {
        "seconds": arguments.seconds,
        "capacity per second": round(capacity, 1),
        "rate per second": round(rate, 1),
        "served": dict(tally.served),
        "left out": tally.left_out,
        "latency in seconds": dict(zip(("p50", "p99", "max"), percentiles.round(3), strict=True)),
        "lost": tally.lost[:20],
        "wrong": tally.wrong[:20],
        "faults": dict(state.done),
        "at the beginning": state.samples[0].as_dict() if state.samples else None,
        "at the end": state.samples[-1].as_dict() if state.samples else None,
        "broken promises": verdict(tally, state),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--interval", type=float, default=60, help="seconds between two faults")
    parser.add_argument("--share", type=float, default=0.8, help="of the capacity")
    parser.add_argument("--capacity-seconds", type=float, default=20)
    parser.add_argument(
        "--fault",
        action="append",
        choices=[each.name for each in FAULTS],
        help="only this one; several times for several (default: all)",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("out/chaos.json"))
    arguments = parser.parse_args()
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        models = shutil.copytree(REPOSITORY, Path(folder) / "models", symlinks=True)
        log = lambda line: print(line, file=sys.stderr)  # noqa: E731
        with TritonServer(models, log=log) as server:
            report = asyncio.run(soak(server, models, arguments))
    text = json.dumps(report, indent=2)
    arguments.output.write_text(text + "\n")
    print(text)
    return 1 if report["broken promises"] else 0


if __name__ == "__main__":
    sys.exit(main())
