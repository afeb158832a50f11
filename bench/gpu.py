"""What `gpu.sh` runs: every step that waits for a GPU, each with its result or its error.

    python bench/gpu.py [--rehearse] [--output gpu.json] [STEP...]

Sessions are opened as the server's backend opens them, from the models' configurations. With
--rehearse they are on the CPU, the figures mean nothing, and the file says so.
"""

import argparse
import io
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from google.protobuf import json_format, text_format
from onnx import TensorProto, helper
from PIL import Image
from skimage import data
from tritonclient.grpc import model_config_pb2

from atelier import Client
from atelier_onnxruntime import session as backend
from atelier_onnxruntime.gpu import compute_capability
from atelier_serving import TritonServer

REPOSITORY = Path(__file__).parents[1] / "model_repository"
PACKAGES = ("numpy", "onnx", "nvidia-pytriton", "tritonclient")
HALF_MEAN, HALF_LARGEST = 0.1, 3
"""The gate of 16 bits against 32, in levels of 255: the export's own mean, and what rounding
differently on a GPU may add at single values."""
PARITY = {"style": 1, "vae_decoder": 1, "generator": 1, "vae_encoder": 1e-2, "classifier": 1e-2}
"""Largest difference of CUDA from the CPU, in an output's own units; those of latents and
probabilities are ten times the export's, for CUDA's convolutions may take TF32."""
SECONDS = 2.0
"""How long each throughput is measured."""
MATRIX = 4096
COPIED = 2**28

Feed = dict[str, np.ndarray]


class Bench:
    """The machine that is measured."""

    def __init__(self, rehearse: bool) -> None:
        self.rehearse = rehearse
        self.kind = "CPU" if rehearse else "GPU"
        self.providers = [f"{'CPU' if rehearse else 'CUDA'}ExecutionProvider"]

    def open(self, model: str, name: str, **changes: Any) -> onnxruntime.InferenceSession:
        """Opens a model as the server does, by `config.pbtxt` or one of `configs/`."""
        path = (
            REPOSITORY / model / ("config.pbtxt" if name == "config" else f"configs/{name}.pbtxt")
        )
        message = text_format.Parse(path.read_text(), model_config_pb2.ModelConfig())
        config = json_format.MessageToDict(message, preserving_proto_field_name=True) | changes
        folder = REPOSITORY / model / "1"
        return backend.open_instance(config, folder, self.kind, 0, backend.session_options(config))


def photographs(batch: int, side: int, width: int | None = None) -> np.ndarray:
    """Pieces of one photograph, (B, H, W, 3) uint8."""
    image = Image.fromarray(data.astronaut()).resize((width or side, side))
    turned = [np.roll(np.asarray(image), 16 * index, axis=0) for index in range(batch)]
    return np.stack(turned)


def feed_of(model: str, batch: int = 1, side: int = 256) -> Feed:
    random = np.random.default_rng(0)
    if model == "style":
        return {"image": photographs(batch, side), "style": np.eye(12, dtype=np.float32)[:batch]}
    if model == "classifier":
        return {"image": photographs(batch, side)}
    if model == "vae_encoder":
        return {"image": photographs(batch, 128)}
    length = 1024 if model == "vae_decoder" else 128
    feed = {"latent": random.normal(size=(batch, length)).astype(np.float32)}
    if model == "generator":
        feed["movement"] = np.zeros((batch, 1), np.int64)
    return feed


def difference(one: list[np.ndarray], other: list[np.ndarray]) -> dict[str, float]:
    apart = [
        abs(a.astype(np.float64) - b.astype(np.float64)) for a, b in zip(one, other, strict=True)
    ]
    return {
        "mean": float(np.mean([each.mean() for each in apart])),
        "largest": float(max(each.max() for each in apart)),
    }


def rate(run: Callable[[], object], seconds: float = SECONDS) -> float:
    """Calls a second, after one that is not counted."""
    run()
    times = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return 1 / statistics.median(times)


# Steps


def machine(bench: Bench) -> dict[str, Any]:
    found: dict[str, Any] = {
        "platform": platform.platform(),
        "python": platform.python_version(),
        "onnxruntime": onnxruntime.__version__,
        "providers": onnxruntime.get_available_providers(),
        "packages": {name: installed_version(name) for name in PACKAGES},
    }
    if not bench.rehearse:
        query = "name,driver_version,memory.total,clocks.max.sm,power.limit"
        command = ["nvidia-smi", f"--query-gpu={query}", "--format=csv"]
        found["gpu"] = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found["compute_capability"] = compute_capability(0)
    return found


def parity(bench: Bench) -> dict[str, Any]:
    """Every network in float32 against ONNX Runtime on the CPU."""
    results = {}
    for model, allowed in PARITY.items():
        path = REPOSITORY / model / "1" / "model.onnx"
        cpu = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        changes = {"default_model_filename": "model.onnx"} if bench.rehearse else {}
        served = bench.open(model, "config", **changes)
        for batch, side in ((1, 130), (2, 256), (3, 512)):
            feed = feed_of(model, batch, side)
            apart = difference(cpu.run(None, feed), served.run(None, feed))
            results[f"{model}, batch {batch}, side {side}"] = apart | {
                "allowed": allowed,
                "passed": apart["largest"] <= allowed,
            }
    return results


def half_precision(bench: Bench) -> dict[str, Any]:
    """The gate of the network in 16 bits, against float32 on the CPU."""
    path = REPOSITORY / "style" / "1" / "model.onnx"
    cpu = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    half = bench.open("style", "gpu")
    image = photographs(1, 256, 320)
    results = {}
    for style in range(12):
        feed = {"image": image, "style": np.eye(12, dtype=np.float32)[style : style + 1]}
        results[f"style {style}"] = difference(cpu.run(None, feed), half.run(None, feed))
    mean = statistics.mean(each["mean"] for each in results.values())
    largest = max(each["largest"] for each in results.values())
    return {
        "mean": mean,
        "largest": largest,
        "passed": mean <= HALF_MEAN and largest <= HALF_LARGEST,
        "styles": results,
    }


def batches(bench: Bench) -> dict[str, Any]:
    """Images a second by precision, side and batch; pixels come from the host and go back."""
    results = {}
    for name, changes in (
        ("float32", {"default_model_filename": "model.onnx"}),
        ("float16", {"default_model_filename": "model.fp16.onnx"}),
    ):
        session = bench.open("style", "gpu", **changes)
        for side in (256, 512) if bench.rehearse else (256, 512, 1024):
            for batch in (1, 2, 4):
                feed = feed_of("style", batch, side)
                per_second = rate(partial(session.run, None, feed)) * batch
                results[f"{name}, side {side}, batch {batch}"] = round(per_second, 1)
    for model in ("classifier", "vae_encoder", "vae_decoder", "generator"):
        session = bench.open(model, "gpu")
        for batch in (1, 8):
            feed = feed_of(model, batch)
            per_second = rate(partial(session.run, None, feed)) * batch
            results[f"{model}, batch {batch}"] = round(per_second, 1)
    return results


def on_device(session: onnxruntime.InferenceSession, feed: Feed, device: str) -> Callable[[], None]:
    """A run whose inputs lie on the device already and whose outputs stay there."""
    binding = session.io_binding()
    for name, array in feed.items():
        binding.bind_ortvalue_input(
            name, onnxruntime.OrtValue.ortvalue_from_numpy(array, device, 0)
        )
    for output in session.get_outputs():
        binding.bind_output(output.name, device, 0)

    def run() -> None:
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()

    return run


def peaks(bench: Bench, device: str) -> dict[str, float]:
    """What the device does at most, measured: multiply-adds by precision, and bytes moved."""
    found = {}
    side = MATRIX // 8 if bench.rehearse else MATRIX
    for name, element, dtype in (
        ("float32", TensorProto.FLOAT, np.float32),
        ("float16", TensorProto.FLOAT16, np.float16),
    ):
        model = one_node("MatMul", element, [side, side])
        session = onnxruntime.InferenceSession(model, providers=bench.providers)
        square = np.ones((side, side), dtype)
        found[f"{name}_multiply_adds"] = (
            rate(on_device(session, {"a": square, "b": square}, device)) * side**3
        )
    count = COPIED // 64 if bench.rehearse else COPIED
    session = onnxruntime.InferenceSession(
        one_node("Add", TensorProto.FLOAT16, [count]), providers=bench.providers
    )
    row = np.ones(count, np.float16)
    found["bytes"] = rate(on_device(session, {"a": row, "b": row}, device)) * 3 * row.nbytes
    return found


def one_node(operator: str, element: int, shape: list[int]) -> bytes:
    tensors = [helper.make_tensor_value_info(name, element, shape) for name in "abc"]
    graph = helper.make_graph(
        [helper.make_node(operator, ["a", "b"], ["c"])], operator, tensors[:2], tensors[2:]
    )
    opset = helper.make_opsetid("", 20)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=10)
    content: bytes = model.SerializeToString()
    return content


def work(path: Path, feed: Feed) -> dict[str, int]:
    """Multiply-adds of the convolutions, and the bytes that they and normalisations must move."""
    model = onnx.load(path)
    weights = {each.name: list(each.dims) for each in model.graph.initializer}
    sizes = {
        each.name: 2 if each.data_type == TensorProto.FLOAT16 else 4
        for each in model.graph.initializer
    }
    counted = [n for n in model.graph.node if n.op_type in {"Conv", "InstanceNormalization"}]
    shown = list(dict.fromkeys(name for n in counted for name in (n.input[0], n.output[0])))
    for name in shown:
        model.graph.output.append(onnx.ValueInfoProto(name=name))
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    tensors = dict(zip(shown, session.run(shown, feed), strict=True))
    multiply_adds = moved = 0
    for node in counted:
        taken, given = tensors[node.input[0]], tensors[node.output[0]]
        moved += taken.nbytes + given.nbytes
        if node.op_type == "Conv":
            kernel = weights[node.input[1]]
            multiply_adds += given.size * int(np.prod(kernel[1:]))
            moved += int(np.prod(kernel)) * sizes[node.input[1]]
    return {"multiply_adds": multiply_adds, "bytes": moved}


def roofline(bench: Bench) -> dict[str, Any]:
    """The time that a network must take at the measured peaks, as a share of what it takes."""
    device = "cpu" if bench.rehearse else "cuda"
    peak = peaks(bench, device)
    results: dict[str, Any] = {"peaks": peak}
    for name, file in (("float32", "model.onnx"), ("float16", "model.fp16.onnx")):
        session = bench.open("style", "gpu", default_model_filename=file)
        for batch, side in ((1, 256), (4, 256), (1, 512), (4, 512)):
            feed = feed_of("style", batch, side)
            needed = work(REPOSITORY / "style" / "1" / file, feed)
            seconds = 1 / rate(on_device(session, feed, device))
            compute = needed["multiply_adds"] / peak[f"{name}_multiply_adds"]
            memory = needed["bytes"] / peak["bytes"]
            results[f"{name}, side {side}, batch {batch}"] = needed | {
                "seconds": seconds,
                "seconds_of_compute": compute,
                "seconds_of_memory": memory,
                "share": max(compute, memory) / seconds,
            }
    return results


@contextmanager
def server(name: str) -> Iterator[TritonServer]:
    """Serves the repository by the configurations of a name; `config` is the plain ones."""
    options = [] if name == "config" else [f"--model-config-name={name}"]
    with TritonServer(REPOSITORY, options=options) as running:
        yield running


def service(bench: Bench) -> dict[str, Any]:
    """The whole service over gRPC: JPEG in, JPEG out, from 1, 8 and 32 callers."""
    jpeg = io.BytesIO()
    Image.fromarray(photographs(1, 256)[0]).save(jpeg, "JPEG")
    results: dict[str, Any] = {}
    for name in ("config", "gpu"):
        with server(name) as running, Client(running.grpc_url) as art:

            def stylize(art: Client = art) -> None:
                art.stylize_encoded(jpeg.getvalue(), style="great_wave")

            stylize()
            for callers in (1, 8) if bench.rehearse else (1, 8, 32):
                results[f"{name}, {callers} callers"] = closed_loop(stylize, callers)
    return results


def closed_loop(call: Callable[[], None], callers: int) -> dict[str, float]:
    end = time.perf_counter() + 2 * SECONDS

    def loop(_: int) -> list[float]:
        times = []
        while (started := time.perf_counter()) < end:
            call()
            times.append(time.perf_counter() - started)
        return times

    with ThreadPoolExecutor(callers) as pool:
        times = sorted(each for one in pool.map(loop, range(callers)) for each in one)
    return {
        "answered_per_second": round(len(times) / (2 * SECONDS), 1),
        "p50_ms": round(1e3 * statistics.median(times), 2),
        "p95_ms": round(1e3 * times[int(0.95 * (len(times) - 1))], 2),
    }


def tensorrt(bench: Bench) -> dict[str, Any]:
    """ONNX Runtime's TensorRT provider: time to build, again from the cache, parity and speed."""
    if bench.rehearse:
        return {"skipped": "it needs a GPU"}
    if "TensorrtExecutionProvider" not in onnxruntime.get_available_providers():
        return {"skipped": "this ONNX Runtime has no TensorRT provider"}
    path = REPOSITORY / "style" / "1" / "model.onnx"
    cpu = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as engines:
        text = (REPOSITORY / "style" / "configs" / "tensorrt.pbtxt").read_text()
        message = text_format.Parse(
            text.replace("/engines", engines), model_config_pb2.ModelConfig()
        )
        config = json_format.MessageToDict(message, preserving_proto_field_name=True)
        feed = feed_of("style", 1, 256)
        for turn in ("built", "cached"):
            started = time.perf_counter()
            session = backend.open_instance(
                config, path.parent, "GPU", 0, backend.session_options(config)
            )
            first = session.run(None, feed)
            results[f"seconds_{turn}"] = time.perf_counter() - started
        results["difference"] = difference(cpu.run(None, feed), first)
        for batch, side in ((1, 256), (4, 256), (1, 512), (4, 512)):
            feed = feed_of("style", batch, side)
            per_second = rate(on_device(session, feed, "cuda")) * batch
            results[f"side {side}, batch {batch}"] = round(per_second, 1)
    return results


def plan(bench: Bench) -> dict[str, Any]:
    """An engine by trtexec, with the command of `atelier export --tensorrt`."""
    if bench.rehearse:
        return {"skipped": "it needs a GPU"}
    program = shutil.which("trtexec", path=f"{os.environ['PATH']}:/usr/src/tensorrt/bin")
    if program is None:
        return {"skipped": "there is no trtexec"}
    text = (REPOSITORY / "style" / "configs" / "tensorrt.pbtxt").read_text()
    message = text_format.Parse(text, model_config_pb2.ModelConfig())
    (accelerator,) = message.optimization.execution_accelerators.gpu_execution_accelerator
    shapes = [
        f"--{name}Shapes={accelerator.parameters[f'trt_profile_{name}_shapes']}"
        for name in ("min", "opt", "max")
    ]
    with tempfile.TemporaryDirectory() as folder:
        command = [
            program,
            f"--onnx={REPOSITORY / 'style' / '1' / 'model.fp16.onnx'}",
            f"--saveEngine={folder}/model.plan",
            *shapes,
            "--stronglyTyped",
        ]
        started = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        built = Path(folder, "model.plan")
        return {
            "status": done.returncode,
            "seconds": time.perf_counter() - started,
            "bytes": built.stat().st_size if built.exists() else 0,
            "last_words": (done.stdout + done.stderr).splitlines()[-30:],
        }


STEPS = (machine, parity, half_precision, batches, roofline, service, tensorrt, plan)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rehearse", action="store_true", help="on the CPU, to see that it runs")
    parser.add_argument("--output", type=Path, default=Path("gpu.json"), help="default: gpu.json")
    names = [step.__name__ for step in STEPS]
    parser.add_argument("steps", nargs="*", metavar="STEP", help=f"of {', '.join(names)}")
    arguments = parser.parse_args()
    if unknown := set(arguments.steps) - set(names):
        parser.error(f"there is no step {', '.join(sorted(unknown))}")
    bench = Bench(arguments.rehearse)
    report: dict[str, Any] = {"rehearsal": bench.rehearse, "steps": {}}
    for step in STEPS:
        if arguments.steps and step.__name__ not in arguments.steps:
            continue
        started = time.perf_counter()
        entry: dict[str, Any] = {}
        try:
            entry["result"] = step(bench)
        except Exception:
            entry["error"] = traceback.format_exc()
        entry["seconds"] = round(time.perf_counter() - started, 1)
        report["steps"][step.__name__] = entry
        # After each step: what ends the run later leaves what was measured.
        arguments.output.write_text(json.dumps(report, indent=1) + "\n")
        print(f"{step.__name__}: {'failed' if 'error' in entry else 'done'}, {entry['seconds']} s")
    print(arguments.output)
    sys.exit(any("error" in entry for entry in report["steps"].values()))


if __name__ == "__main__":
    main()
