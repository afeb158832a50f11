"""The service under more than it can do: goodput, what rejections cost, people beside bulk work.

    python bench/overload.py [--model stylize] [--side 256] [--seconds 10]
        [--deadline 1] [--unbounded] [--send-all]

The capacity is what a closed loop of callers is answered. Then requests come at random at multiples
of it, whatever the server does. Goodput is what was answered before its deadline. Client and server
run on the same cores. As with the client, what the service would most likely refuse is not sent;
with `--send-all`, it is. `--unbounded` is the service as it is without its queue's bounds, and
without the deadlines that requests tell it.
"""

import argparse
import asyncio
import io
import random
import re
import shutil
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import numpy as np
from PIL import Image
from skimage import data
from tritonclient.grpc import service_pb2

from atelier._throttle import Throttle
from atelier_serving import TritonServer

REPOSITORY = Path(__file__).parents[1] / "model_repository"
NEEDED = {"stylize": ("stylize", "style"), "classify": ("classify", "classifier")}
"""The models that are served, by the one that is asked."""
METHOD = "/inference.GRPCInferenceService/ModelInfer"
CALLERS = 8


def body(model: str, side: int, timeout: float | None, *, bulk: bool = False) -> bytes:
    """A request with an image, and with the seconds that its caller waits."""
    buffer = io.BytesIO()
    Image.fromarray(data.astronaut()).resize((side, side)).save(buffer, "JPEG", quality=90)
    message = service_pb2.ModelInferRequest(model_name=model)
    inputs = {"image": buffer.getvalue()}
    if model == "stylize":
        inputs["style"] = b"great_wave"
    for name, content in inputs.items():
        message.inputs.add(name=name, datatype="BYTES", shape=[1, 1])
        message.raw_input_contents.append(len(content).to_bytes(4, "little") + content)
    if timeout is not None:
        message.parameters["timeout"].int64_param = round(timeout * 1e6)
    if bulk:
        message.parameters["bulk"].bool_param = True
    return bytes(message.SerializeToString())


@dataclass
class Outcomes:
    """What became of requests, and after how many seconds."""

    served: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    unsent: int = 0
    late: int = 0
    other: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        parts = [f"{len(self.served)} served ({percentiles(self.served)})"]
        if self.refused:
            parts.append(f"{len(self.refused)} refused ({percentiles(self.refused)})")
        if self.unsent:
            parts.append(f"{self.unsent} not sent")
        if self.late:
            parts.append(f"{self.late} too late")
        return ", ".join(parts + [f"{count} × {what}" for what, count in self.other.items()])


def percentiles(seconds: list[float]) -> str:
    if not seconds:
        return "none"
    p50, p95, p99 = np.percentile(seconds, [50, 95, 99]) * 1000
    return f"p50 {p50:.0f}, p95 {p95:.0f}, p99 {p99:.0f} ms"


@dataclass
class Caller:
    """Who makes requests.

    Attributes:
        channel: The connection.
        request: What is asked.
        throttle: What keeps requests from being sent; None: nothing.
    """

    channel: grpc.aio.Channel
    request: bytes
    throttle: Throttle | None

    async def ask(self, deadline: float, outcomes: Outcomes) -> None:
        if self.throttle and not self.throttle.admits(None):
            outcomes.unsent += 1
            return
        start = time.perf_counter()
        taken = True
        try:
            await self.channel.unary_unary(METHOD)(self.request, timeout=deadline)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                outcomes.late += 1
            elif error.code() is grpc.StatusCode.UNAVAILABLE:
                outcomes.refused.append(time.perf_counter() - start)
                taken = False
            else:
                outcomes.other[f"{error.code().name}: {error.details()}"] += 1
        else:
            outcomes.served.append(time.perf_counter() - start)
        if self.throttle:
            self.throttle.learn(None, taken=taken)


async def closed_loop(caller: Caller, seconds: float) -> float:
    """Requests that are answered each second."""
    outcomes = Outcomes()
    end = time.perf_counter() + seconds

    async def ask_on() -> None:
        while time.perf_counter() < end:
            await caller.ask(60, outcomes)

    await asyncio.gather(*(ask_on() for _ in range(CALLERS)))
    assert not outcomes.other
    return len(outcomes.served) / seconds


async def open_loop(caller: Caller, rate: float, seconds: float, deadline: float) -> Outcomes:
    """Requests at random moments."""
    outcomes = Outcomes()
    tasks = []
    due = start = time.perf_counter()
    while due < start + seconds:
        await asyncio.sleep(due - time.perf_counter())
        tasks.append(asyncio.create_task(caller.ask(deadline, outcomes)))
        due += random.expovariate(rate)
    await asyncio.gather(*tasks)
    return outcomes


async def measure(url: str, arguments: argparse.Namespace) -> None:
    model, seconds, deadline = arguments.model, arguments.seconds, arguments.deadline
    told = None if arguments.unbounded else deadline
    throttled = not (arguments.unbounded or arguments.send_all)
    async with grpc.aio.insecure_channel(url) as channel, grpc.aio.insecure_channel(url) as other:

        def caller(*, bulk: bool = False) -> Caller:
            request = body(model, arguments.side, told, bulk=bulk and not arguments.unbounded)
            return Caller(other if bulk else channel, request, Throttle() if throttled else None)

        people = caller()
        await closed_loop(people, 2)
        capacity = await closed_loop(people, seconds)
        print(f"capacity: {capacity:.1f}/s")
        for factor in (1.5, 5):
            busy = time.process_time()
            outcomes = await open_loop(caller(), factor * capacity, seconds, deadline)
            busy = (time.process_time() - busy) / seconds
            goodput = len(outcomes.served) / seconds / capacity
            print(
                f"at {factor} times that: goodput {goodput:.2f} of it; {outcomes}; the client had "
                f"{busy:.2f} of a core"
            )
        rate = capacity / 5
        alone = await open_loop(caller(), rate, seconds, deadline)
        print(f"people at {rate:.1f}/s, alone: {alone}")
        flood = open_loop(caller(bulk=True), 2 * capacity, seconds, deadline)
        beside, flooded = await asyncio.gather(open_loop(caller(), rate, seconds, deadline), flood)
        print(f"the same beside bulk work at twice the capacity: {beside}; of that: {flooded}")


def served_models(folder: Path, model: str, *, bounded: bool) -> Path:
    """A repository of the model and those that it calls."""
    for name in NEEDED[model]:
        shutil.copytree(REPOSITORY / name, folder / name)
    if not bounded:
        config = folder / model / "config.pbtxt"
        text = re.sub(
            r'(max_queue_\w+" value { string_value: ")\d+', r"\g<1>2147483647", config.read_text()
        )
        config.write_text(text)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=NEEDED, default="stylize")
    parser.add_argument("--side", type=int, default=256, help="of the images, in pixels")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--deadline", type=float, default=1)
    parser.add_argument("--unbounded", action="store_true")
    parser.add_argument("--send-all", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        repository = served_models(Path(folder), arguments.model, bounded=not arguments.unbounded)
        with TritonServer(repository) as server:
            asyncio.run(measure(server.grpc_url, arguments))


if __name__ == "__main__":
    main()
