"""The settings of a server, and the command line and environment that Triton gets for them."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from atelier_serving import backend_options, tracing
from atelier_serving.closed import Tokens
from atelier_serving.directory import ServerDirectory
from atelier_serving.installation import Installation
from atelier_serving.manifests import Verification
from atelier_serving.tls import ServerTls

HTTP_SOCKET = "http.socket"
"""The socket for HTTP in the server's directory, which only this user can enter."""

SHARED_MEMORY_BYTES = 4 * 2**20
"""What a model instance's shared memory begins with, and grows by, in bytes. It never shrinks.

Larger beginnings make only the first requests faster; a container's usual 64 MiB hold all models.
"""

STUB_TIMEOUT_SECONDS = 60
"""How long Triton waits for the process of a Python model to answer. A busy machine needs more
than Triton's 30 s."""

SECRET_VARIABLES = ("ATELIER_SERVE_TOKEN", "ATELIER_SERVE_ADMIN_TOKEN")
"""Variables that hold tokens, which models have no use for."""

SUMMARIES = ("latencies=true", "quantiles=0.5:0.05,0.95:0.005,0.99:0.001,0.999:0.0001")
"""Quantiles of the latencies among the metrics, each with the error that its rank may have."""

OWN_OPTIONS = (
    "allow-grpc",
    "allow-http",
    "allow-metrics",
    "backend-directory",
    "exit-timeout-secs",
    "grpc-address",
    "grpc-port",
    "grpc-restricted-protocol",
    "grpc-root-cert",
    "grpc-server-cert",
    "grpc-server-key",
    "grpc-use-ssl",
    "grpc-use-ssl-mutual",
    "http-address",
    "http-port",
    "http-restricted-api",
    "metrics-address",
    "metrics-port",
    "model-repository",
    "model-store",
)
"""Options of Triton that follow from the settings, so that nobody may pass them beside these."""


@dataclass(frozen=True)
class Settings:
    """How a server is run.

    Attributes:
        repositories: Model repositories: directories, or addresses such as `s3://bucket/models`.
        host: The name or IPv4 address to listen on.
        grpc_port: Port of the KServe v2 protocol over gRPC; 0 is any free one, here and below.
        http_port: Port of the same protocol over HTTP. With None, HTTP is open to this process and
            the supervisor alone, on a socket in the server's private directory: one request over
            HTTP can end Triton 2.51 (CVE-2025-23310).
        metrics_port: Port of the metrics, in the format of Prometheus.
        tls: What gRPC is encrypted with; with None it is not.
        tokens: What callers have to show.
        verification: How the files of the models are compared with their manifests before they
            are loaded; with None they are not.
        exit_timeout: Seconds that accepted requests may take to finish once the server stops.
        start_timeout: Seconds that loading all models may take.
        verbose: Whether Triton tells what it does; otherwise it tells warnings and errors.
        options: Further options of `tritonserver`, such as `--cache-config=local,size=1048576`.
            Paths in them are absolute, since Triton's working directory is its own.
    """

    repositories: Sequence[str]
    host: str = "127.0.0.1"
    grpc_port: int = 0
    http_port: int | None = None
    metrics_port: int = 0
    tls: ServerTls | None = None
    tokens: Tokens = field(default=Tokens())
    verification: Verification | None = None
    exit_timeout: int = 30
    start_timeout: float = 600.0
    verbose: bool = False
    options: Sequence[str] = field(default=())

    def __post_init__(self) -> None:
        """Checks what can be checked before anything is started.

        Raises:
            ValueError: A setting is out of its range.
        """
        if not self.repositories:
            raise ValueError("give at least one model repository")
        for name in ("grpc_port", "http_port", "metrics_port"):
            port = getattr(self, name)
            if port is not None and not 0 <= port <= 65535:
                raise ValueError(f"{name} is {port}; a port is a number from 0 to 65535")
        if len(set(self.fixed_ports)) < len(self.fixed_ports):
            ports = ", ".join(map(str, self.fixed_ports))
            raise ValueError(f"the ports must differ, not {ports}")
        if self.exit_timeout < 0 or self.start_timeout <= 0:
            raise ValueError("the time-outs are seconds: 0 or more to exit, more than 0 to start")
        for option in self.options:
            name = option.removeprefix("--").partition("=")[0]
            if name in OWN_OPTIONS:
                raise ValueError(f"--{name} follows from the server's own settings: set it there")
        backend_options.environment_of(self.options)

    @property
    def fixed_ports(self) -> list[int]:
        """The ports that are given, in place of any free ones."""
        return [port for port in (self.grpc_port, self.http_port, self.metrics_port) if port]


def has_gpu() -> bool:
    """Tells whether an NVIDIA driver offers a GPU, natively or under WSL."""
    return Path("/dev/nvidiactl").exists() or Path("/dev/dxg").exists()


def command_line(
    settings: Settings,
    installation: Installation,
    directory: ServerDirectory,
    address: str,
    ports: tuple[int, int | None, int],
    shm_prefix: str,
) -> list[str]:
    """Composes Triton's command line, but for what `closed.Closed` adds to it.

    Args:
        settings: The settings of the server, its repositories as Triton is told them.
        installation: Where Triton lies.
        directory: The server's directory.
        address: The IPv4 address to listen on.
        ports: The ports for gRPC, HTTP and metrics; None for HTTP on the private socket.
        shm_prefix: How the names of the shared memory regions begin, unlike any other server's.

    Returns:
        The program and its arguments.
    """
    grpc_port, http_port, metrics_port = ports
    options = {
        "backend-directory": directory.backends,
        "cache-directory": installation.caches,
        "grpc-address": address,
        # Triton runs in its directory, so the path of the socket is short enough for any system.
        "http-address": f"unix:{HTTP_SOCKET}" if http_port is None else address,
        "metrics-address": address,
        "grpc-port": grpc_port,
        "http-port": http_port or 0,
        "metrics-port": metrics_port,
        # Everything is loaded; the launcher changes that on a reload, the supervisor at the end.
        "model-control-mode": "explicit",
        "load-model": "*",
        # Triton opens its ports once everything is loaded. Later the server stays ready while a
        # model is swapped: whoever watches it would send its clients elsewhere, or end it.
        "strict-readiness": "false",
        "allow-vertex-ai": "false",
        "allow-sagemaker": "false",
        "exit-timeout-secs": settings.exit_timeout,
        "log-info": str(settings.verbose).lower(),
    }
    if settings.tls:
        options |= settings.tls.options()
    if not has_gpu():
        # Without a GPU these would only fill the log with warnings.
        options |= {"allow-gpu-metrics": "false", "pinned-memory-pool-byte-size": 0}
    backend_options = {
        "shm-region-prefix-name": shm_prefix,
        "shm-default-byte-size": SHARED_MEMORY_BYTES,
        "shm-growth-byte-size": SHARED_MEMORY_BYTES,
        "stub-timeout-seconds": STUB_TIMEOUT_SECONDS,
    }
    metrics = [f"--metrics-config=summary_{each}" for each in SUMMARIES]
    if any(option.startswith("--metrics-config") for option in settings.options):
        metrics = []  # Of two values for one setting, Triton takes the first.
    return [
        str(installation.binary),
        *(f"--model-repository={repository}" for repository in settings.repositories),
        *(f"--{name}={value}" for name, value in options.items()),
        *(
            f"--backend-config={backend},{name}={value}"
            for backend in ("python", "onnxruntime")
            for name, value in backend_options.items()
        ),
        *metrics,
        *settings.options,
    ]


def environment(
    settings: Settings, directory: ServerDirectory, inherited: Mapping[str, str]
) -> dict[str, str]:
    """Composes Triton's environment variables.

    Args:
        settings: The settings of the server.
        directory: The server's directory.
        inherited: The variables to start from.

    Returns:
        The variables.
    """

    def prepend(directory: Path, name: str) -> str:
        return os.pathsep.join([str(directory), *filter(None, [inherited.get(name)])])

    return {
        **{name: value for name, value in inherited.items() if name not in SECRET_VARIABLES},
        "PATH": prepend(directory.environment / "bin", "PATH"),
        "LD_LIBRARY_PATH": prepend(directory.libraries, "LD_LIBRARY_PATH"),
        "ORT_DISABLE_TELEMETRY": "1",
        **backend_options.environment_of(settings.options),
        **tracing.environment_of(settings.options),
    }
