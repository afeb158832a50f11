"""What the service costs beside the network itself: throughput, latency and memory.

    python bench/style_service.py [throughput] [latency] [memory]

The service and ONNX Runtime in this process take turns in one run, so that both see the same
machine; figures are ratios and differences of the two. The client runs on the same cores.
"""

import argparse
import io
import os
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image
from skimage import data
from tritonclient import grpc

from atelier import Client
from atelier_serving import TritonServer

REPOSITORY = Path(__file__).parents[1] / "model_repository"
SIDE = 256


def photograph(side: int) -> np.ndarray:
    """A real photograph as (side, side, 3) uint8."""
    return np.asarray(Image.fromarray(data.astronaut()).resize((side, side)))


def newest_model() -> Path:
    """The style network as it is served on a CPU."""
    versions = [path for path in (REPOSITORY / "style").iterdir() if path.name.isdigit()]
    return max(versions, key=lambda path: int(path.name)) / "model.int8.onnx"


class InProcess:
    """The network in ONNX Runtime, a thread a core or as many as are given."""

    def __init__(self, *, spinning: bool, threads: int = 0) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # ONNX Runtime's default is to spin while a thread waits; the server does not.
        options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spinning)))
        self.session = onnxruntime.InferenceSession(
            newest_model(), options, providers=["CPUExecutionProvider"]
        )
        self.style = np.ones((1, 1), np.float32)  # the first style; missing weights are 0
        self.image = photograph(SIDE)[None]

    def run(self) -> None:
        self.session.run(None, {"image": self.image, "style": self.style})


class OverGrpc:
    """The same network and input, through the server."""

    def __init__(self, url: str, image: np.ndarray, style: np.ndarray) -> None:
        self.client = grpc.InferenceServerClient(url)
        self.inputs = [
            grpc.InferInput("image", image.shape, "UINT8"),
            grpc.InferInput("style", style.shape, "FP32"),
        ]
        self.inputs[0].set_data_from_numpy(image)
        self.inputs[1].set_data_from_numpy(style)

    def run(self) -> None:
        self.client.infer("style", self.inputs).as_numpy("stylized")


def rate(run: Callable[[], object], seconds: float, workers: int) -> float:
    """Calls a second, with `workers` of them under way at any time."""
    end = time.perf_counter() + seconds

    def work() -> int:
        count = 0
        while time.perf_counter() < end:
            run()
            count += 1
        return count

    started = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        count = sum(pool.map(lambda _: work(), range(workers)))
    return count / (time.perf_counter() - started)


def throughput(server: TritonServer, rounds: int, seconds: float) -> None:
    """Saturated service against a session a core in this process, and one for all cores."""
    cores = len(os.sched_getaffinity(0))
    single = InProcess(spinning=False, threads=1)  # its runs may overlap
    shared = InProcess(spinning=True)
    remote = OverGrpc(server.grpc_url, single.image, single.style)
    shares = []
    print(f"throughput at {SIDE}×{SIDE}, requests/s")
    print("  in process, a run a core   one run for all   service   share of the faster")
    for _ in range(rounds):
        first = rate(single.run, seconds, workers=cores)
        second = rate(shared.run, seconds, workers=1)
        there = rate(remote.run, seconds, workers=8)
        shares.append(there / max(first, second))
        print(f"{first:26.2f}{second:18.2f}{there:10.2f}{shares[-1]:15.3f}")
    print(f"median share {statistics.median(shares):.3f}")


def latency(server: TritonServer, count: int) -> None:
    """Single requests, one at a time, in turn with single runs in this process."""
    local = InProcess(spinning=False)
    remote = OverGrpc(server.grpc_url, local.image, local.style)
    jpeg = io.BytesIO()
    Image.fromarray(local.image[0]).save(jpeg, "JPEG", quality=95)
    print(f"latency of one request at {SIDE}×{SIDE}, ms, median of {count}")
    # By itself: its threads spin on for a while and would slow whatever comes next.
    spinning = InProcess(spinning=True)
    alone = statistics.median(milliseconds(spinning.run) for _ in range(count))
    print(f"  in process, spinning {alone:7.2f}")
    del spinning
    with Client(server.grpc_url) as art:
        style = art.styles()[0]
        calls: dict[str, Callable[[], object]] = {
            "in process, waiting": local.run,
            "style (raw pixels)": remote.run,
            "stylize (JPEG)": lambda: art.stylize_encoded(jpeg.getvalue(), style),
        }
        turns = [{name: milliseconds(call) for name, call in calls.items()} for _ in range(count)]
    for name in calls:
        median = statistics.median(turn[name] for turn in turns)
        # Pairs, so that a slow moment of the machine counts on both sides.
        added = statistics.median(turn[name] - turn["in process, waiting"] for turn in turns)
        print(f"  {name:20} {median:7.2f}   added to waiting {added:6.2f}")


def milliseconds(call: Callable[[], object]) -> float:
    """The time of one call."""
    started = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - started)


def memory(server: TritonServer, count: int) -> None:
    """Memory of Triton and its backends after 100 requests and after `count`."""
    small = photograph(64)
    style = InProcess(spinning=False).style
    with Client(server.grpc_url) as art:
        names = art.styles()
        remote = OverGrpc(server.grpc_url, small[None], style)

        def both(number: int) -> None:
            remote.run()
            art.stylize(small, names[number % len(names)])

        print("requests   memory of server and backends, MiB")
        for number in range(count // 2 + 1):
            if number in (50, count // 20, count // 4, count // 2):
                print(f"{2 * number:8}   {tree_memory(server.pid) / 2**20:8.1f}")
            both(number)


def tree_memory(root: int) -> int:
    """Bytes that a process and its descendants hold; shared pages count once (PSS)."""
    total = 0
    for pid in tree(root):
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        total += next(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
    return total * 1024


def tree(root: int) -> Iterator[int]:
    """A process and its descendants."""
    yield root
    for task in Path(f"/proc/{root}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from tree(int(child))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = ["throughput", "latency", "memory"]
    parser.add_argument("what", nargs="*", choices=[*names, []], help="default: all three")
    parser.add_argument("--rounds", type=int, default=5, help="turns of the throughput")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of a turn")
    parser.add_argument("--requests", type=int, default=10_000, help="for the memory")
    arguments = parser.parse_args()
    what = arguments.what or names
    print(f"ONNX Runtime {onnxruntime.__version__}, {len(os.sched_getaffinity(0))} cores")
    with TritonServer(REPOSITORY) as server:
        if "throughput" in what:
            throughput(server, arguments.rounds, arguments.seconds)
        if "latency" in what:
            latency(server, 100)
        if "memory" in what:
            memory(server, arguments.requests)


if __name__ == "__main__":
    main()
