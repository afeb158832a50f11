"""A server of one's own for as long as a command runs."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click

_SECONDS_TO_START = 120.0
_SECONDS_TO_STOP = 30.0
_LAST_WORDS = 20
# The kernel ends the server when this process was killed and could not do so itself. util-linux
# asks for it: Python could in a fork alone, which the threads of gRPC do not survive.
_ENDING_WITH_PARENT = ["setpriv", "--pdeathsig", "TERM"]


@contextmanager
def own_server(model_repository: Path, log: Path) -> Iterator[str]:
    """Runs `atelier serve` on free ports, and stops it however the block ends.

    Args:
        model_repository: What it serves.
        log: Where its log is written.

    Yields:
        The gRPC address, once the server is ready.

    Raises:
        click.ClickException: It did not start; the message has the last lines of its log.
    """
    command = [*_ENDING_WITH_PARENT, sys.executable, "-m", "atelier", "serve"]
    command += ["--grpc-port", "0", "--metrics-port", "0"]
    command += ["--model-repository", str(model_repository)]
    with log.open("wb") as log_file:
        # A group of its own: Ctrl-C reaches this process alone, which then stops the server once.
        server = subprocess.Popen(  # noqa: S603 - the arguments are this module's own
            command,
            stdout=subprocess.PIPE,
            stderr=log_file,
            process_group=0,
        )
    assert server.stdout is not None
    try:
        yield _wait_until_ready(server, server.stdout, log)
    finally:
        server.terminate()
        try:
            server.wait(_SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        server.stdout.close()


def _wait_until_ready(server: subprocess.Popen[bytes], output: IO[bytes], log: Path) -> str:
    too_late = threading.Timer(_SECONDS_TO_START, server.terminate)
    too_late.start()
    try:
        for line in output:
            ready, *addresses = line.decode(errors="replace").split()
            if ready == "ready":
                return dict(address.split("=", 1) for address in addresses)["grpc"]
    finally:
        too_late.cancel()
    code = server.wait()
    last_words = log.read_text(errors="replace").splitlines()[-_LAST_WORDS:]
    raise click.ClickException(
        "\n".join([f"the server did not start (exit code {code}). Its last words:", *last_words])
    )
