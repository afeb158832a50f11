"""What the image with NVIDIA's Triton runs: `tritonserver`, drained before it ends.

On SIGTERM, Triton fails requests that are on their way from one model to another
(triton-inference-server/server#6287). So the models that call others are unloaded first, which lets
them finish. What the command line says is passed to `tritonserver`, behind the options here.

ATELIER_MODEL_CONFIG names the configurations to serve by, for models that have one of that name:
`gpu`, `tensorrt` or `tensorrt_plan`.

Standard library and `atelier_supervisor` alone: it is copied beside this file.
"""

import os
import secrets
import signal
import subprocess
import sys
import time

from atelier_supervisor.drain import Drain
from atelier_supervisor.model_control import ModelControl

EXIT_TIMEOUT_SECONDS = 30
POLL_SECONDS = 0.1
HTTP_ADDRESS = "127.0.0.1"
HTTP_PORT = 8000
RESTRICTED = "shared-memory,model-repository,trace,logging"
WATCHED = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}


def command_line(options: list[str], key: str) -> list[str]:
    """Triton's command line.

    Args:
        options: Further options of `tritonserver`.
        key: The header, as `name=value`, that opens what is closed to clients.
    """
    config = os.environ.get("ATELIER_MODEL_CONFIG")
    return [
        "tritonserver",
        "--grpc-port=8001",
        # Open inside the container alone: for its health check, and for the drain.
        f"--http-address={HTTP_ADDRESS}",
        f"--http-port={HTTP_PORT}",
        "--metrics-address=0.0.0.0",
        "--metrics-port=8002",
        "--model-control-mode=explicit",
        "--load-model=*",
        f"--grpc-restricted-protocol={RESTRICTED}:{key}",
        f"--http-restricted-api={RESTRICTED}:{key}",
        "--strict-readiness=false",
        f"--exit-timeout-secs={EXIT_TIMEOUT_SECONDS}",
        "--backend-config=python,shm-default-byte-size=4194304",
        "--backend-config=python,shm-growth-byte-size=4194304",
        "--backend-config=python,stub-timeout-seconds=60",
        *([f"--model-config-name={config}"] if config else []),
        *options,
    ]


def main(options: list[str]) -> int:
    """Runs Triton until it ends or a signal comes; returns its exit status."""
    key = f"atelier-closed={secrets.token_hex(16)}"
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    triton = subprocess.Popen(
        command_line(options, key),
        # Safe here, for this process has a single thread.
        preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED),
    )
    while signal.sigwait(WATCHED) == signal.SIGCHLD:
        if (status := triton.poll()) is not None:
            return status
    end = time.monotonic() + EXIT_TIMEOUT_SECONDS
    name, _, value = key.partition("=")
    drain = Drain(ModelControl(f"{HTTP_ADDRESS}:{HTTP_PORT}", {name: value}))
    drain.begin()
    while not drain.is_over() and time.monotonic() < end and triton.poll() is None:
        time.sleep(POLL_SECONDS)
    triton.terminate()
    return triton.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
