"""One start of Triton: from the settings to a server that is ready, or to why it is not."""

import contextlib
import dataclasses
import os
import secrets
import shutil
import socket
import threading
import time
from collections.abc import Callable

from atelier_serving import log as triton_log
from atelier_serving.closed import Closed
from atelier_serving.directory import ServerDirectory
from atelier_serving.errors import StartError
from atelier_serving.installation import Installation
from atelier_serving.options import HTTP_SOCKET, Settings, command_line, environment
from atelier_serving.plain_paths import make_directory
from atelier_serving.ports import free_port, reachable
from atelier_serving.process import SupervisedProcess
from atelier_supervisor.exit_status import describe_end
from atelier_supervisor.model_control import ModelControl

POLL_SECONDS = 0.05


class Launch:
    """Triton under its supervisor, with ports, a directory and a key of its own.

    Attributes:
        process: Triton's process.
        closed: What it opens to whom.
        grpc_url: Where this machine reaches gRPC, as `address:port`; the same for the others.
        http_url: "" where HTTP is closed.
        metrics_url: Where the metrics are.
    """

    def __init__(
        self,
        settings: Settings,
        installation: Installation,
        address: str,
        log: Callable[[str], None],
    ) -> None:
        """Starts Triton, for which `wait_ready` waits.

        Args:
            settings: The settings of the server.
            installation: Where Triton lies.
            address: The IPv4 address to listen on.
            log: Called in a thread of its own with each line of Triton's log.

        Raises:
            StartError: Its directory cannot be made.
        """
        self._settings = settings
        grpc_port, http_port, metrics_port = ports = (
            settings.grpc_port or free_port(address),
            None if settings.http_port is None else settings.http_port or free_port(address),
            settings.metrics_port or free_port(address),
        )
        host = reachable(address)
        self.grpc_url = f"{host}:{grpc_port}"
        self.http_url = f"{host}:{http_port}" if http_port else ""
        self.metrics_url = f"{host}:{metrics_port}"
        self.closed = Closed(settings.tokens)
        shm_prefix = f"atelier_{os.getpid()}_{secrets.token_hex(4)}_"
        directory = ServerDirectory(make_directory())
        self._http_address = self.http_url or f"unix:{directory.path / HTTP_SOCKET}"
        try:
            _fill(directory, installation)
            plain = [directory.repository(each) for each in settings.repositories]
            self.process = SupervisedProcess(
                command_line(
                    dataclasses.replace(settings, repositories=plain),
                    installation,
                    directory,
                    address,
                    ports,
                    shm_prefix,
                ),
                environment=environment(settings, directory, os.environ),
                directory=directory.path,
                shm_prefix=shm_prefix,
                exit_timeout=settings.exit_timeout,
                http_address=self._http_address,
                headers=self.closed.headers,
                hidden=self.closed.options(),
                strict=bool(settings.tokens),
                log=log,
            )
        except BaseException:
            shutil.rmtree(directory.path, ignore_errors=True)
            raise

    def control(self) -> ModelControl:
        """What loads and unloads its models, each within the time that a start may take."""
        return ModelControl(self._http_address, self.closed.headers, self._settings.start_timeout)

    def wait_ready(self, end_requested: threading.Event) -> None:
        """Returns once every model is ready; Triton has ended otherwise.

        Args:
            end_requested: Is set when nobody wants it any more.

        Raises:
            StartError: It did not become ready; the message says why.
        """
        process, timeout = self.process, self._settings.start_timeout
        end = time.monotonic() + timeout
        trouble = ""
        while process.poll() is None:
            if end_requested.is_set():
                trouble = "it was told to stop while it loaded its models"
            elif any(map(triton_log.is_hopeless, process.tail)):
                trouble = triton_log.explain(process.tail)
            elif time.monotonic() > end:
                words = triton_log.last_words(process.tail)
                trouble = f"it was not ready after {timeout:g} s; its last words:\n{words}"
            if trouble:
                process.kill()
                process.wait()
                raise StartError(f"Triton did not start: {trouble}")
            if self._is_ready():
                return
            time.sleep(POLL_SECONDS)
        status = process.wait()
        if end_requested.is_set():
            raise StartError("Triton did not start: it was told to stop while it loaded its models")
        # After a model that failed to load, Triton 2.51 ends, and sometimes crashes on its way out.
        if status > 128 and not triton_log.model_failures(process.tail):
            words = triton_log.last_words(process.tail)
            raise StartError(f"Triton {describe_end(status)} while it started:\n{words}")
        raise StartError(f"Triton did not start:\n{triton_log.explain(process.tail)}")

    def _is_ready(self) -> bool:
        """Asks over HTTP; gRPC is open before it, the metrics a moment later."""
        if not ModelControl(self._http_address, self.closed.headers).is_ready():
            return False
        host, port = self.metrics_url.split(":")
        with contextlib.suppress(OSError):
            socket.create_connection((host, int(port)), timeout=5).close()
            return True
        return False

    @property
    def failed_by_chance(self) -> bool:
        """Whether another start may well succeed where this one did not.

        Others took a port that was free, or Triton crashed by a fault of its own.
        """
        tail, fixed = self.process.tail, self._settings.fixed_ports
        return triton_log.lost_a_race(tail) or triton_log.port_in_use(tail) not in (None, *fixed)


def _fill(directory: ServerDirectory, installation: Installation) -> None:
    try:
        directory.fill(installation)
    except OSError as error:
        raise StartError(
            f"cannot prepare the server's directory {directory.path}: {error.strerror}; make "
            "room there, or set TMPDIR to a folder on another disk"
        ) from error
