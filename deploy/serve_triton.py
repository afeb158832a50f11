"""What the image with NVIDIA's Triton runs: `tritonserver`, drained before it ends.

On SIGTERM, Triton fails requests that are on their way from one model to another
(triton-inference-server/server#6287). So the models that call others are unloaded first, which lets
them finish. What the command line says is passed to `tritonserver`, behind the options here.

ATELIER_MODEL_CONFIG names the configurations to serve by, for models that have one of that name:
`gpu`, `tensorrt` or `tensorrt_plan`. ATELIER_SERVE_TOKEN_FILE and ATELIER_SERVE_ADMIN_TOKEN_FILE
are those of `atelier serve`.

Standard library, `atelier_supervisor` and `closed.py` alone, which are copied beside this file.
"""

import os
import signal
import subprocess
import sys
import time

from closed import Closed, Tokens, read_token

from atelier_supervisor.drain import Drain
from atelier_supervisor.model_control import ModelControl

EXIT_TIMEOUT_SECONDS = 30
POLL_SECONDS = 0.1
HTTP_ADDRESS = "127.0.0.1"
HTTP_PORT = 8000
SUMMARIES = ("latencies=true", "quantiles=0.5:0.05,0.95:0.005,0.99:0.001,0.999:0.0001")
WATCHED = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}


def command_line(options: list[str], closed: Closed) -> list[str]:
    """Triton's command line.

    Args:
        options: Further options of `tritonserver`.
        closed: What is closed to callers.
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
        *(f"--metrics-config=summary_{each}" for each in SUMMARIES),
        "--model-control-mode=explicit",
        "--load-model=*",
        *closed.options(),
        "--strict-readiness=false",
        f"--exit-timeout-secs={EXIT_TIMEOUT_SECONDS}",
        "--backend-config=python,shm-default-byte-size=4194304",
        "--backend-config=python,shm-growth-byte-size=4194304",
        "--backend-config=python,stub-timeout-seconds=60",
        *([f"--model-config-name={config}"] if config else []),
        *options,
    ]


def tokens() -> Tokens:
    """The tokens in the files that the environment names."""
    files = (os.environ.get(f"ATELIER_SERVE_{name}_FILE") for name in ("TOKEN", "ADMIN_TOKEN"))
    return Tokens(*(read_token(file) if file else "" for file in files))


def main(options: list[str]) -> int:
    """Runs Triton until it ends or a signal comes; returns its exit status."""
    closed = Closed(tokens())
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    triton = subprocess.Popen(
        command_line(options, closed),
        # Safe here, for this process has a single thread.
        preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED),
    )
    while signal.sigwait(WATCHED) == signal.SIGCHLD:
        if (status := triton.poll()) is not None:
            return status
    end = time.monotonic() + EXIT_TIMEOUT_SECONDS
    drain = Drain(ModelControl(f"{HTTP_ADDRESS}:{HTTP_PORT}", closed.headers))
    drain.begin()
    while not drain.is_over() and time.monotonic() < end and triton.poll() is None:
        time.sleep(POLL_SECONDS)
    triton.terminate()
    return triton.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
