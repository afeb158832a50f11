"""Bulk work beside what the cores can do: throughput, memory, second runs, and a person beside it.

    python bench/bulk.py [throughput] [beside] [client]

The photographs are made, so that nothing has to be fetched; each differs. Everything runs on the
same cores, in turns within one run.
"""

import argparse
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image
from skimage import data

from atelier import Client
from atelier.bulk import Stylize, run
from atelier_serving import TritonServer

REPOSITORY = Path(__file__).parents[1] / "model_repository"
STYLE = "great_wave"
SIZE = (480, 320)


def make_photographs(folder: Path, count: int, size: tuple[int, int] = SIZE) -> None:
    """Writes JPEGs of one size, each another part of a real photograph with grain of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    source = Image.fromarray(data.astronaut())
    for number in range(count):
        noise = np.random.default_rng(number)
        left, top = noise.integers(0, 200, 2)
        part = source.crop((left, top, left + 300, top + 200)).resize(size)
        pixels = np.asarray(part, np.int16) + noise.integers(-6, 7, (size[1], size[0], 3))
        image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
        image.save(folder / f"{number:06}.jpg", quality=90)


def newest_network() -> Path:
    """The style network as it is served on a CPU."""
    versions = [path for path in (REPOSITORY / "style").iterdir() if path.name.isdigit()]
    return max(versions, key=lambda path: int(path.name)) / "model.int8.onnx"


class InOneProcess:
    """The network in ONNX Runtime: one thread a run, a run a core."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            newest_network(), options, providers=["CPUExecutionProvider"]
        )
        self.style = np.eye(1, 12, 2, dtype=np.float32)

    def paint(self, pixels: np.ndarray) -> np.ndarray:
        feed = {"image": pixels[None], "style": self.style}
        return self.session.run(None, feed)[0][0]

    def file(self, data: bytes) -> bytes:
        """From JPEG to JPEG, as the service does it."""
        pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        buffer = io.BytesIO()
        Image.fromarray(self.paint(pixels)).save(buffer, "JPEG", quality=95)
        return buffer.getvalue()


def throughput(url: str, folder: Path, count: int, rounds: int) -> None:
    """Images a second, and each way as a share of the network alone."""
    files = sorted((folder / "photos").iterdir())[:count]
    cores = len(os.sched_getaffinity(0))
    network = InOneProcess()
    pixels = np.asarray(Image.open(files[0]))
    most: list[int] = []

    def each(function: Callable[[Path], object], workers: int) -> float:
        start = time.perf_counter()
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(function, files))
        return count / (time.perf_counter() - start)

    def in_bulk() -> float:
        shutil.rmtree(folder / "out", ignore_errors=True)
        (folder / "list").write_text("\n".join(map(str, files)))
        start = time.perf_counter()
        summary = run(Stylize(STYLE), folder / "list", folder / "out", url=url)
        assert summary.computed == count
        most.append(summary.most_in_flight)
        return count / (time.perf_counter() - start)

    with Client(url) as art:

        def ask(path: Path) -> None:
            (folder / "asked" / path.name).write_bytes(art.stylize_encoded(path, STYLE))

        (folder / "asked").mkdir()

        ways: dict[str, Callable[[], float]] = {
            "network alone, a run a core": lambda: each(lambda _: network.paint(pixels), cores),
            "decode, network, encode in one process": lambda: each(
                lambda path: network.file(path.read_bytes()), cores
            ),
            "a loop of one request": lambda: each(ask, 1),
            "a pool of 8 threads": lambda: each(ask, 8),
            "atelier bulk": in_bulk,
        }
        ask(files[0])
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                rates[name].append(way())
    alone = rates["network alone, a run a core"]
    print(
        f"{count} JPEGs of {SIZE[0]}×{SIZE[1]}, median of {rounds} turns; bulk had {most} in flight"
    )
    for name, found in rates.items():
        share = statistics.median(rate / own for rate, own in zip(found, alone, strict=True))
        print(f"  {name:40}{statistics.median(found):8.1f}/s   share {share:.3f}")


def beside(url: str, folder: Path, seconds: float) -> None:
    """Latency of a person who asks now and then: alone, and beside work on a folder."""
    photo = (folder / "photos" / "000000.jpg").read_bytes()
    command = [
        *(sys.executable, "-m", "atelier", "bulk", "stylize", folder / "photos", folder / "beside"),
        *("--style", STYLE, "--url", url),
    ]
    print(f"a person who asks every 0.2 s for {seconds:g} s")
    with Client(url) as art:
        art.stylize_encoded(photo, STYLE)
        report("alone", latencies(art, photo, seconds))
        shutil.rmtree(folder / "beside", ignore_errors=True)
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as bulk:
            time.sleep(5)  # Until it has found its limit.
            report("beside atelier bulk", latencies(art, photo, seconds))
            assert bulk.poll() is None, "give more --photographs: the run was over too early"
            bulk.terminate()
        over = threading.Event()

        def busy() -> None:
            while not over.is_set():
                art.stylize_encoded(photo, STYLE)

        with ThreadPoolExecutor(8) as pool:
            workers = [pool.submit(busy) for _ in range(8)]
            time.sleep(1)
            report("beside a pool of 8 threads", latencies(art, photo, seconds))
            over.set()
        for worker in workers:
            worker.result()


def latencies(art: Client, photo: bytes, seconds: float) -> list[float]:
    found = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        art.stylize_encoded(photo, STYLE)
        found.append(1e3 * (time.perf_counter() - start))
        time.sleep(0.2)
    return found


def report(name: str, found: list[float]) -> None:
    median, high = np.percentile(found, [50, 99])
    print(f"  {name:40}{median:8.1f} ms median   {high:8.1f} ms p99   ({len(found)} requests)")


# The client's own part: a server that answers at once, in the run's process.
ECHO = """
import asyncio, json, sys
from dataclasses import asdict
from atelier import AsyncClient
from atelier._bulk.bulk import Bulk, inputs_for
from atelier.bulk import Stylize
from atelier.testing import MockTransport
source, out = sys.argv[1:]
config = 'name: "stylize" parameters { key: "calls" value { string_value: "style" } }'
transport = MockTransport(lambda request: {"stylized": request.inputs["image"]}, [config])
transport.requests = type("Forgetful", (), {"append": lambda self, request: None})()
art = AsyncClient(transport=transport, max_in_flight=256)
summary = asyncio.run(Bulk(art, Stylize("udnie"), inputs_for(source, out), out).run())
status = open("/proc/self/status").read()  # Its ru_maxrss would have that of its parent, too.
peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
print(json.dumps({**asdict(summary), "peak": peak}))
"""


def client_alone(folder: Path, counts: tuple[int, ...]) -> None:
    """Peak memory, and what a second run costs that finds everything done."""
    print("a server that answers at once: files, peak memory, files/s; the second run")
    for count in counts:
        source = folder / f"small-{count}"
        make_photographs(source, count, (48, 32))
        for turn in ("first", "second"):
            command = [sys.executable, "-c", ECHO, source, folder / f"out-{count}"]
            found = subprocess.run(command, check=True, capture_output=True, text=True)
            summary = json.loads(found.stdout)
            assert summary["skipped" if turn == "second" else "computed"] == count, summary
            rate = count / summary["seconds"]
            print(f"  {turn:7}{count:8}{summary['peak']:9.1f} MiB{rate:10.0f}/s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = ["throughput", "beside", "client"]
    parser.add_argument("what", nargs="*", choices=[*names, []], help="default: all")
    parser.add_argument("--photographs", type=int, default=200, help="of a turn")
    parser.add_argument("--rounds", type=int, default=3, help="turns of the throughput")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each latency")
    arguments = parser.parse_args()
    what = arguments.what or names
    print(f"ONNX Runtime {onnxruntime.__version__}, {len(os.sched_getaffinity(0))} cores")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if set(what) != {"client"}:
            make_photographs(folder / "photos", 3000 if "beside" in what else arguments.photographs)
            with TritonServer(REPOSITORY) as server:
                if "throughput" in what:
                    throughput(server.grpc_url, folder, arguments.photographs, arguments.rounds)
                if "beside" in what:
                    beside(server.grpc_url, folder, arguments.seconds)
        if "client" in what:
            client_alone(folder, (2_000, 20_000))


if __name__ == "__main__":
    main()
