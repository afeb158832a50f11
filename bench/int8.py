"""What 8 bits gain on this processor: milliseconds of every network beside float32.

    python bench/int8.py [MODEL_REPOSITORY]

Prints what the processor knows of 8-bit sums, and a Markdown table of each network's two files in
ONNX Runtime, with the sessions that the server opens; the cells of a row take turns. A request is
one of the model's warm-up.

Without VNNI, ONNX Runtime adds the products of 8 bits in pairs of 16 bits, which can saturate. The
last column is what exact sums would take, an option of ONNX Runtime that the server leaves off.
"""

import os
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import onnxruntime
from google.protobuf import text_format
from onnxruntime import InferenceSession
from tritonclient.grpc.model_config_pb2 import ModelConfig

from atelier_onnxruntime.session import session_options
from atelier_tuning.example import example

FLOAT32, INT8 = "model.onnx", "model.int8.onnx"
EXACT = "session.x64quantprecision"
FLAGS = ("avx2", "avx512f", "avx_vnni", "avx512_vnni")
"""Instruction sets, as Linux names them: the last two multiply and add 8 bits in one step."""
ROUNDS = 31


def networks(repository: Path) -> Iterator[Path]:
    """The newest version of every model that is served in 8 bits."""
    for model in sorted(path for path in repository.iterdir() if path.is_dir()):
        versions = [path for path in model.iterdir() if path.name.isdigit()]
        newest = max(versions, key=lambda path: int(path.name))
        if (newest / INT8).exists():
            yield newest


def measure(version: Path, threads: int) -> list[float]:
    """Median milliseconds of a request: in float32, in 8 bits, in 8 bits with exact sums."""
    config = text_format.Parse((version.parent / "config.pbtxt").read_text(), ModelConfig())
    request = example(config, {})
    sessions = []
    for file, exact in ((FLOAT32, "0"), (INT8, "0"), (INT8, "1")):
        count = {"intra_op_thread_count": {"string_value": str(threads)}}
        options = session_options({"parameters": count})
        options.add_session_config_entry(EXACT, exact)
        sessions.append(InferenceSession(version / file, options, ["CPUExecutionProvider"]))
    times: list[list[float]] = [[] for _ in sessions]
    for _ in range(ROUNDS):
        for taken, session in zip(times, sessions, strict=True):
            session.run(None, request)  # brings the weights into the processor's cache
            started = time.perf_counter()
            session.run(None, request)
            taken.append(1e3 * (time.perf_counter() - started))
    return [statistics.median(taken) for taken in times]


def processor() -> str:
    """The processor's name, and which of `FLAGS` it has."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    facts = dict(line.replace("\t", "").split(": ", 1) for line in lines if ": " in line)
    flags = facts["flags"].split()
    known = (f"{flag} {'yes' if flag in flags else 'no'}" for flag in FLAGS)
    return f"{facts['model name']}: {', '.join(known)}"


def main() -> None:
    repository = Path(sys.argv[1] if sys.argv[1:] else "model_repository")
    cores = len(os.sched_getaffinity(0))
    print(f"{processor()}; {cores} cores; ONNX Runtime {onnxruntime.__version__}\n")
    print("|  | threads | float32 | 8 bits | float32 / 8 bits | 8 bits, exact sums |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for version in networks(repository):
        for threads in sorted({1, cores}):
            float32, int8, exact = measure(version, threads)
            print(
                f"| `{version.parent.name}` | {threads} | {float32:.1f} ms | {int8:.1f} ms "
                f"| {float32 / int8:.2f} | {exact:.1f} ms |"
            )


if __name__ == "__main__":
    main()
