"""Engines for Triton's TensorRT backend, built by TensorRT's own program on the machine's GPU.

An engine fits one kind of GPU and one version of TensorRT, so it is built where it is served, and
is no part of what is published. No GPU has built one yet.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from atelier_export.files.atomic_write import atomic_write
from atelier_export.publishing.errors import PlanError
from atelier_export.publishing.gpu_configs import HALF_MODEL, PLAN, profile_shapes
from atelier_export.publishing.publish import MODEL
from atelier_export.publishing.served_model import GpuServing, ServedModel

PROGRAM = "trtexec"
BESIDE_TENSORRT = "/usr/src/tensorrt/bin"
"""Where NVIDIA's containers and packages keep it."""


def build_plans(
    models: Sequence[ServedModel],
    repository: Path,
    version: int,
    report: Callable[[str], None] = lambda _line: None,
) -> list[Path]:
    """Builds the engine of each network beside its graph.

    Args:
        models: The models of a family.
        repository: Where they are published.
        version: The version whose graphs are built.
        report: Called with each line of progress.

    Returns:
        The engines. Triton takes them with `--model-config-name=tensorrt_plan`.

    Raises:
        PlanError: There is no TensorRT, or it does not build an engine.
    """
    program = shutil.which(PROGRAM, path=f"{os.environ['PATH']}{os.pathsep}{BESIDE_TENSORRT}")
    if program is None:
        raise PlanError(
            f"{PROGRAM} is neither on the path nor in {BESIDE_TENSORRT}: run this where TensorRT "
            "is installed, such as in NVIDIA's Triton container"
        )
    plans = []
    for model in models:
        if model.gpu is not None:
            folder = repository / model.name / str(version)
            report(f"building {folder / PLAN}, which takes minutes")
            plans.append(_build(program, folder, model.gpu))
    return plans


def _build(program: str, folder: Path, gpu: GpuServing) -> Path:
    graph = folder / HALF_MODEL if (folder / HALF_MODEL).exists() else folder / MODEL
    shapes = profile_shapes(gpu)
    with atomic_write(folder / PLAN) as partial:
        command = [
            program,
            f"--onnx={graph}",
            f"--saveEngine={partial}",
            f"--minShapes={shapes['smallest']}",
            f"--optShapes={shapes['typical']}",
            f"--maxShapes={shapes['largest']}",
            # The precision is the graph's; TensorRT 11 knows no other way.
            "--stronglyTyped",
            "--skipInference",
        ]
        done = subprocess.run(  # noqa: S603 - no shell is involved
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if done.returncode:
            last = "\n".join(done.stdout.splitlines()[-20:])
            raise PlanError(f"{PROGRAM} does not build {graph}; its last words:\n{last}")
    return folder / PLAN
