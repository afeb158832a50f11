"""The program of the image with NVIDIA's Triton, run with the embedded one in its place."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from grpc import RpcError, insecure_channel
from tritonclient import grpc

from atelier_serving.directory import ServerDirectory
from atelier_serving.installation import find_installation
from atelier_serving.options import Settings, environment
from atelier_serving.ports import free_port
from fakes.waiting import HANG_SECONDS, until

ROOT = Path(__file__).parents[2]
LOCALHOST = "127.0.0.1"

CONFIG = """
name: "{name}"
backend: "python"
input {{ name: "value" data_type: TYPE_INT32 dims: [ 1 ] }}
output {{ name: "value" data_type: TYPE_INT32 dims: [ 1 ] }}
instance_group {{ kind: KIND_CPU count: 1 }}
parameters {{ key: "calls" value {{ string_value: "{calls}" }} }}
"""

CALLER = """
import time
from pathlib import Path

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        Path(__file__).with_name("started").touch()
        while not Path(__file__).with_name("open").exists():
            time.sleep(0.005)
        called = [
            pb_utils.InferenceRequest(
                model_name="called", requested_output_names=["value"], inputs=request.inputs()
            ).exec()
            for request in requests
        ]
        return [
            pb_utils.InferenceResponse(each.output_tensors(), each.error()) for each in called
        ]
"""

CALLED = """
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [pb_utils.InferenceResponse(request.inputs()) for request in requests]
"""


@pytest.fixture
def repository(tmp_path):
    for name, calls, code in (("caller", "called", CALLER), ("called", "", CALLED)):
        version = tmp_path / "models" / name / "1"
        version.mkdir(parents=True)
        (version / "model.py").write_text(code)
        (version.parent / "config.pbtxt").write_text(CONFIG.format(name=name, calls=calls))
    configs = tmp_path / "models" / "called" / "configs"
    configs.mkdir()
    gpu = 'parameters { key: "for" value { string_value: "gpu" } }'
    (configs / "gpu.pbtxt").write_text(CONFIG.format(name="called", calls="") + gpu)
    return tmp_path / "models"


@pytest.fixture
def installed(tmp_path, dockerfile):
    """The folder of the program, with what the image copies into it."""
    for kind, argument in dockerfile("gpu.Dockerfile"):
        *sources, target = argument.split()
        if kind == "COPY" and target.startswith("/opt/atelier"):
            for source in sources:
                path = tmp_path / target.lstrip("/")
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, path)
                elif not path.suffix:
                    path.mkdir(parents=True, exist_ok=True)
                    shutil.copy(ROOT / source, path)
    return tmp_path / "opt" / "atelier"


@pytest.fixture
def serve(repository, installed, tmp_path):
    """Starts the program as the image does; gives it and its addresses of gRPC and HTTP."""
    started = []

    def start():
        installation = find_installation()
        directory = ServerDirectory(tmp_path / "server")
        directory.fill(installation)
        variables = environment(Settings([str(repository)]), directory, os.environ)
        grpc_port, http_port, metrics_port = (free_port(LOCALHOST) for _ in range(3))
        program = (
            f"import serve_triton, sys; serve_triton.HTTP_PORT = {http_port};"
            "sys.exit(serve_triton.main(sys.argv[1:]))"
        )
        process = subprocess.Popen(
            [
                *(sys.executable, "-c", program),
                f"--model-repository={repository}",
                f"--grpc-port={grpc_port}",
                f"--metrics-port={metrics_port}",
                f"--backend-directory={directory.backends}",
            ],
            env={
                **variables,
                "PATH": f"{variables['PATH']}:{installation.binary.parent}",
                "PYTHONPATH": str(installed),
                "ATELIER_MODEL_CONFIG": "gpu",
            },
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        started.append(process)
        return process, f"{LOCALHOST}:{grpc_port}", f"{LOCALHOST}:{http_port}"

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # Triton and its models too, after a failure
        process.wait()


def is_ready(address, http_address):
    """Asks as Kubernetes does, by gRPC's own health protocol, where 1 is SERVING; and by HTTP."""
    with insecure_channel(address) as channel:
        try:
            urllib.request.urlopen(f"http://{http_address}/v2/health/ready").close()
            return channel.unary_unary("/grpc.health.v1.Health/Check")(b"") == b"\x08\x01"
        except (OSError, RpcError):
            return False


def test_a_request_between_two_models_is_finished_before_triton_ends(serve, repository):
    process, address, http_address = serve()
    with grpc.InferenceServerClient(address) as client:
        until(lambda: process.poll() is not None or is_ready(address, http_address))
        tensor = grpc.InferInput("value", [1], "INT32")
        tensor.set_data_from_numpy(np.array([7], np.int32))
        answers = []
        client.async_infer(
            "caller",
            [tensor],
            lambda result, error: answers.append((result, error)),
            client_timeout=HANG_SECONDS,
        )
        # A configuration of the name that was asked for, where a model has one.
        assert "for" in client.get_model_config("called").config.parameters
        assert "for" not in client.get_model_config("caller").config.parameters

        version = repository / "caller" / "1"
        until((version / "started").exists)

        with pytest.raises(grpc.InferenceServerException, match="restricted"):
            client.unload_model("called")

        process.send_signal(signal.SIGTERM)
        until(lambda: not client.is_model_ready("caller"))
        (version / "open").touch()
        until(lambda: answers)
        ((result, error),) = answers
        assert error is None
        assert result.as_numpy("value").tolist() == [7]
    assert process.wait(HANG_SECONDS) == 0


def test_it_ends_as_triton_does(installed, tmp_path):
    triton = tmp_path / "tritonserver"
    triton.write_text("#!/bin/sh\nexit 3\n")
    triton.chmod(0o755)
    program = [sys.executable, installed / "serve_triton.py"]
    variables = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    assert subprocess.run(program, env=variables, timeout=HANG_SECONDS).returncode == 3


def test_a_token_closes_inference_as_in_the_other_server(installed, tmp_path):
    triton = tmp_path / "tritonserver"
    triton.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    triton.chmod(0o755)
    (tmp_path / "token").write_text("a-token-of-some-length\n")
    program = [sys.executable, installed / "serve_triton.py", "--some=option"]
    variables = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "ATELIER_SERVE_TOKEN_FILE": str(tmp_path / "token"),
    }
    done = subprocess.run(program, env=variables, capture_output=True, text=True, check=True)
    inference = "inference,metadata,model-config,statistics:atelier-token=a-token-of-some-length"
    lines = done.stdout.splitlines()
    assert f"--grpc-restricted-protocol={inference}" in lines
    assert any(line.startswith("--grpc-restricted-protocol=shared-memory:") for line in lines)
    assert lines[-1] == "--some=option"
