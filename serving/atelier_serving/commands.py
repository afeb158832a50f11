"""The command `atelier serve`."""

import contextlib
import os
import queue
import re
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from atelier_serving.closed import Tokens
    from atelier_serving.manifests import Verification
    from atelier_serving.server import TritonServer
    from atelier_serving.tls import ServerTls

STDERR = 2
TURN_SECONDS = 0.25


class _Repository(click.types.StringParamType):
    """A directory or an address such as `s3://host:9000/models`."""

    name = "repository"

    def split_envvar_value(self, rv: str) -> list[str]:
        """Splits the variable as PATH is split, but not at the colons of addresses."""
        return [each for each in re.split(r":(?!//|\d+/)", rv) if each]


_FILE = click.Path(exists=True, dir_okay=False, readable=True)


def _wait(server: "TritonServer") -> None:
    """Waits in short turns until the server has ended, and so misses no signal.

    Handlers run in the main thread alone, and a wait without an end is not interrupted by a signal
    that another thread takes: Linux gives it the second of two in one breath.
    """
    while True:
        with contextlib.suppress(TimeoutError):
            return server.wait(TURN_SECONDS)


def _tls(certificate: str | None, key: str | None, client_ca: str | None) -> "ServerTls | None":
    from atelier_serving.tls import ServerTls

    if certificate is None and key is None and client_ca is None:
        return None
    if certificate is None or key is None:
        raise click.UsageError(
            "--tls-certificate and --tls-key belong together, and --tls-client-ca needs them: give "
            "both"
        )
    return ServerTls(certificate, key, client_ca)


def _verification(public_key: str | None) -> "Verification":
    from atelier_serving.integrity_commands import read_public_key
    from atelier_serving.manifests import Verification

    return Verification(None if public_key is None else read_public_key(Path(public_key)))


def _tokens(token_file: str | None, admin_token_file: str | None) -> "Tokens":
    from atelier_serving.closed import Tokens, read_token

    def token(path: str | None, variable: str) -> str:
        return os.environ.get(variable, "") if path is None else read_token(path)

    try:
        return Tokens(
            token(token_file, "ATELIER_SERVE_TOKEN"),
            token(admin_token_file, "ATELIER_SERVE_ADMIN_TOKEN"),
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        raise click.UsageError(f"cannot read {error.filename}: {error.strerror}") from None


@click.command(context_settings={"auto_envvar_prefix": "ATELIER_SERVE", "show_default": True})
@click.option(
    "--model-repository",
    metavar="DIR",
    type=_Repository(),
    multiple=True,
    default=["./model_repository"],
    help="Directory of models to serve; may be given several times.",
)
@click.option("--host", default="127.0.0.1", help="Address to listen on; 0.0.0.0 is every one.")
@click.option(
    "--grpc-port", type=click.IntRange(0, 65535), default=8001, help="Port for gRPC; 0: any free."
)
@click.option(
    "--http",
    is_flag=True,
    help="Open HTTP too, to trusted callers: one request can end this release of Triton.",
)
@click.option(
    "--http-port",
    type=click.IntRange(0, 65535),
    default=8000,
    help="Port for HTTP, which it opens as --http does; 0: any free.",
)
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65535),
    default=8002,
    help="Port for Prometheus metrics; 0: any free.",
)
@click.option(
    "--tls-certificate",
    metavar="FILE",
    type=_FILE,
    help="The server's certificate in PEM: gRPC is encrypted then.",
)
@click.option("--tls-key", metavar="FILE", type=_FILE, help="The key of the certificate, in PEM.")
@click.option(
    "--tls-client-ca",
    metavar="FILE",
    type=_FILE,
    help="Let in only clients with a certificate of these authorities (mutual TLS).",
)
@click.option(
    "--token-file",
    metavar="FILE",
    type=_FILE,
    help="Let in only callers with the token in this file, or in ATELIER_SERVE_TOKEN.",
)
@click.option(
    "--admin-token-file",
    metavar="FILE",
    type=_FILE,
    help="Let callers with this token change models, tracing and log over gRPC; "
    "ATELIER_SERVE_ADMIN_TOKEN is the token itself. Without one, nobody can.",
)
@click.option(
    "--allow-altered",
    is_flag=True,
    help="Serve files that are not as their manifests say.",
)
@click.option(
    "--public-key",
    metavar="FILE",
    type=_FILE,
    help="Serve only what a manifest names that is signed with this key's private one.",
)
@click.option(
    "--exit-timeout",
    metavar="SECONDS",
    type=click.IntRange(0),
    default=30,
    help="How long accepted requests may take to finish once the server stops.",
)
@click.option(
    "--trace-otlp",
    metavar="URL",
    help="Send traces to an OpenTelemetry collector, such as http://localhost:4318.",
)
@click.option(
    "--trace-rate",
    metavar="NUMBER",
    type=click.IntRange(1),
    default=1000,
    help="Trace one of so many requests, and each that comes with a traceparent.",
)
@click.option(
    "--log",
    "log_format",
    type=click.Choice(["text", "json"]),
    default="text",
    help="How the lines of the log are written.",
)
@click.option(
    "-v", "--verbose", is_flag=True, help="Tell what Triton does, not its warnings and errors only."
)
@click.argument("options", metavar="[-- TRITON_OPTION...]", nargs=-1)
def serve(
    model_repository: tuple[str, ...],
    host: str,
    grpc_port: int,
    http: bool,
    http_port: int,
    metrics_port: int,
    tls_certificate: str | None,
    tls_key: str | None,
    tls_client_ca: str | None,
    token_file: str | None,
    admin_token_file: str | None,
    allow_altered: bool,
    public_key: str | None,
    exit_timeout: int,
    trace_otlp: str | None,
    trace_rate: int,
    log_format: str,
    verbose: bool,
    options: tuple[str, ...],
) -> None:
    """Serve a model repository with the embedded Triton.

    Once every model is ready, one line on standard output tells where:
    "ready grpc=HOST:PORT metrics=HOST:PORT", with --http also "http=HOST:PORT". The log goes to
    standard error.

    SIGTERM or Ctrl-C lets accepted requests finish; a second one stops at once. SIGUSR1 has it
    take what is new in the model repository, and one line of the log tells what that was. The first
    line of the log tells the process id.

    What follows "--" is passed to tritonserver as it is. Every option can also be set in the
    environment: ATELIER_SERVE_GRPC_PORT stands for --grpc-port, and
    ATELIER_SERVE_MODEL_REPOSITORY for --model-repository, with colons between several.
    """
    from atelier_serving import exposure
    from atelier_serving.errors import TritonError
    from atelier_serving.json_log import as_json
    from atelier_serving.server import TritonServer
    from atelier_serving.tracing import trace_options

    tls = _tls(tls_certificate, tls_key, tls_client_ca)
    tokens = _tokens(token_file, admin_token_file)
    if allow_altered and public_key is not None:
        raise click.UsageError("--allow-altered and --public-key exclude each other")
    verification = None if allow_altered else _verification(public_key)
    port_source = click.get_current_context().get_parameter_source("http_port")
    http = http or port_source is not ParameterSource.DEFAULT

    written = as_json if log_format == "json" else str

    def log(line: str) -> None:
        # The server serves on when nobody reads its log any more.
        with contextlib.suppress(OSError):
            click.echo(written(line), err=True)

    try:
        tracing = trace_options(trace_otlp, trace_rate) if trace_otlp else []
        server = TritonServer(
            model_repository,
            host=host,
            grpc_port=grpc_port,
            http_port=http_port if http else None,
            metrics_port=metrics_port,
            tls=tls,
            tokens=tokens,
            verification=verification,
            exit_timeout=exit_timeout,
            verbose=verbose,
            options=(*tracing, *options),
            log=log,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None

    received: list[int] = []
    stopping = (
        f"stopping: accepted requests may take up to {exit_timeout} s; another signal stops at once"
    )

    def on_signal(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        if len(received) == 1:
            # Straight to the file: a handler may interrupt a write to the stream.
            with contextlib.suppress(OSError):
                os.write(STDERR, f"{written(stopping)}\n".encode())
            server.terminate()
        else:
            server.kill()

    asked_to_reload: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def reload_when_asked() -> None:
        while asked_to_reload.get():
            try:
                log(str(server.reload()))
            except TritonError as error:
                log(f"reload failed: {error}")
            except Exception as error:
                # The next signal must find this thread, whatever became of this one.
                log(f"reload failed: {error!r}")

    reloads = threading.Thread(target=reload_when_asked, name="reloads", daemon=True)
    signal.signal(signal.SIGUSR1, lambda *_: asked_to_reload.put(True))
    signal.signal(signal.SIGTERM, on_signal)
    for number in (signal.SIGINT, signal.SIGHUP):
        # nohup and shells that start a job in the background have them ignored on purpose.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, on_signal)
    log(f"atelier serve has the process id {os.getpid()}")
    for warning in exposure.warnings(
        host,
        http,
        encrypted=tls is not None,
        asks=bool(tls_client_ca or tokens.inference),
    ):
        log(f"warning: {warning}")
    ready = False
    try:
        server.start()
        ready = True
        open_http = f" http={server.http_url}" if http else ""
        click.echo(f"ready grpc={server.grpc_url}{open_http} metrics={server.metrics_url}")
        reloads.start()
        try:
            _wait(server)
        finally:
            asked_to_reload.put(False)
            reloads.join()
    except TritonError as error:
        if not received or (ready and len(received) == 1):
            raise click.ClickException(str(error)) from None
    if not ready or len(received) > 1:
        # Ended before its time by a signal, which is told in the way of a shell.
        sys.exit(128 + received[0])
