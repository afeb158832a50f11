"""What goes wrong in a soak, one fault after the other."""

import asyncio
import contextlib
import io
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
from PIL import Image
from skimage import data

from atelier import AsyncClient, Client, DeadlineExceeded, InvalidRequest, Overloaded
from atelier_serving import TritonServer

ADMITTED = (DeadlineExceeded, Overloaded)
"""What becomes of those that are too many."""

READY_SECONDS = 120.0
"""For a server that was killed to be ready again."""
STOPPED_SECONDS = 2.0
VANISHING = 20
GARBAGE = 50
FLOOD = 400
LARGE = (5000, 3000)
LARGE_TIMEOUT = 110.0


@dataclass(frozen=True)
class Served:
    """A server, and the repository that it serves."""

    server: TritonServer
    models: Path


@dataclass(frozen=True)
class Fault:
    """A fault.

    Attributes:
        happen: Has it happen, and returns when it is over; raises where what must follow does not.
        ends_triton: Whether Triton is started again.
        settles_after: How many times it has to happen until a server holds no more by it: each
            process of a model keeps the shared memory of the largest pictures at once that it ever
            had, as chance gives them out; and the sockets that it inherits where it starts later
            than they do.
    """

    happen: Callable[[Served], None]
    ends_triton: bool = False
    settles_after: int = 0

    @property
    def name(self) -> str:
        """What the report calls it."""
        return self.happen.__name__.replace("_", " ")


def stubs(triton: int) -> Iterator[tuple[int, str]]:
    """The processes of the models: process id and model instance."""
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            name, _, rest = file.read_text().partition(" (")[2].rpartition(") ")
            if name == "triton_python_b" and int(rest.split()[1]) == triton:
                yield int(file.parent.name), file.with_name("cmdline").read_text().split("\0")[8]


def _some_stub(served: Served) -> int:
    return random.choice(list(stubs(served.server.pid)))[0]


def _wait_restarted(served: Served, triton: int) -> None:
    end = time.monotonic() + READY_SECONDS
    while served.server.pid == triton:
        if time.monotonic() > end:
            raise TimeoutError("Triton was not started again")
        time.sleep(0.1)
    with Client(served.server.grpc_url) as art:
        art.wait_ready(timeout=READY_SECONDS)


def kill_of_a_stub(served: Served) -> None:
    triton = served.server.pid
    os.kill(_some_stub(served), signal.SIGKILL)
    _wait_restarted(served, triton)


def kill_of_triton(served: Served) -> None:
    triton = served.server.pid
    os.kill(triton, signal.SIGKILL)
    _wait_restarted(served, triton)


def stop_of_a_stub(served: Served) -> None:
    """Stops a process of a model. The supervisor ends it, and starts Triton again."""
    triton = served.server.pid
    os.kill(_some_stub(served), signal.SIGSTOP)
    _wait_restarted(served, triton)


def stop_of_triton(served: Served) -> None:
    triton = served.server.pid
    os.kill(triton, signal.SIGSTOP)
    try:
        time.sleep(STOPPED_SECONDS)
    finally:
        os.kill(triton, signal.SIGCONT)


def reload_of_a_new_version(served: Served) -> None:
    """Serves the newest version of `style` under the next number, and removes the one before."""
    folder = served.models / "style"
    *old, newest = sorted((path for path in folder.iterdir() if path.name.isdigit()), key=_number)
    unfinished = served.models.with_name("unfinished")
    shutil.copytree(newest, unfinished)
    unfinished.rename(folder / str(_number(newest) + 1))
    for path in old:
        shutil.rmtree(path)
    if "style" not in served.server.reload().loaded:
        raise RuntimeError("the new version was not loaded")


def _number(path: Path) -> int:
    return int(path.name)


def clients_that_vanish(served: Served) -> None:
    async def vanish() -> None:
        async with AsyncClient(served.server.grpc_url) as art:
            calls = [
                asyncio.create_task(art.stylize(data.astronaut(), "udnie"))
                for _ in range(VANISHING)
            ]
            await asyncio.sleep(0.3)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)

    asyncio.run(vanish())


def garbage(served: Served) -> None:
    """Sends bytes that are no image, or a broken one; each is refused as such."""
    starts = (b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\1\0WEBPVP8 ")
    with Client(served.server.grpc_url) as art:
        for number in range(GARBAGE):
            image = starts[number % len(starts)] + random.randbytes(random.randrange(2000))
            try:
                art.stylize_encoded(image, "udnie")
            except InvalidRequest:
                continue
            raise RuntimeError(f"{image[:20]!r} was painted")


def connections_that_break_off(served: Served) -> None:
    """Opens channels in the middle of a request, and closes them at once."""
    for _ in range(VANISHING):
        with grpc.insecure_channel(served.server.grpc_url) as channel:
            call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
            call.future(random.randbytes(10_000))


def flood(served: Served) -> None:
    """Asks for far more at once than can wait; the rest is refused at once."""

    async def ask() -> None:
        async with AsyncClient(served.server.grpc_url, timeout=1, retries=0, bulk=True) as art:
            small = data.astronaut()[::4, ::4]
            calls = (art.stylize(small, "udnie") for _ in range(FLOOD))
            answers = await asyncio.gather(*calls, return_exceptions=True)
        for each in answers:
            if isinstance(each, BaseException) and not isinstance(each, ADMITTED):
                raise each

    asyncio.run(ask())


def pictures_of_many_pixels(served: Served) -> None:
    """Asks for the largest pictures that people have, as many at once as are in work."""

    async def ask() -> None:
        file = io.BytesIO()
        Image.fromarray(data.astronaut()).resize(LARGE).save(file, "JPEG")
        async with AsyncClient(served.server.grpc_url, timeout=LARGE_TIMEOUT) as art:
            calls = (art.stylize_encoded(file.getvalue(), "udnie") for _ in range(3))
            paintings = await asyncio.gather(*calls)
        for painting in paintings:
            with Image.open(io.BytesIO(painting)) as image:
                if image.size != LARGE:
                    raise RuntimeError(f"a painting has {image.size} pixels, not {LARGE}")

    asyncio.run(ask())


FAULTS = (
    Fault(kill_of_a_stub, ends_triton=True),
    Fault(kill_of_triton, ends_triton=True),
    Fault(stop_of_a_stub, ends_triton=True),
    Fault(stop_of_triton),
    Fault(reload_of_a_new_version, settles_after=1),
    Fault(clients_that_vanish),
    Fault(garbage),
    Fault(connections_that_break_off),
    Fault(flood),
    Fault(pictures_of_many_pixels, settles_after=4),
)
