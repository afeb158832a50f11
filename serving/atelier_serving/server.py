"""The embedded Triton server: from settings to a server that is ready, and to its end.

Start: find the installation, link the backends, take ports, run Triton under the supervisor, wait
until all models are loaded and the ports answer. Reload: what is new in the repositories is tried
out by a second server, then loaded into the running one. End: SIGTERM, accepted requests finish,
Triton unloads its models; the supervisor removes what is left.
"""

import contextlib
import dataclasses
import os
import secrets
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Self

from atelier_serving import log as triton_log
from atelier_serving import repositories, shared_memory, triton_options
from atelier_serving.closed import Closed, Tokens
from atelier_serving.directory import ServerDirectory
from atelier_serving.errors import CrashError, StartError
from atelier_serving.installation import Installation, find_installation
from atelier_serving.manifests import Verification
from atelier_serving.options import (
    HTTP_SOCKET,
    SHARED_MEMORY_BYTES,
    Settings,
    command_line,
    environment,
)
from atelier_serving.plain_paths import make_directory
from atelier_serving.ports import check_free, free_port, resolve
from atelier_serving.process import SupervisedProcess
from atelier_serving.reload import Reload, Reloader
from atelier_serving.tls import ServerTls
from atelier_supervisor.exit_status import describe_end
from atelier_supervisor.model_control import FAILURES, ModelControl

ATTEMPTS = 5
"""How often Triton is started: others may be quicker to take the ports that were free, or it may
crash by a fault of its own.
"""
POLL_SECONDS = 0.05

Repository = str | os.PathLike[str]


class TritonServer:
    """A Triton server on this machine, for the time of a `with` block.

    ```python
    with TritonServer("model_repository") as server:
        client = Client(server.grpc_url)
    ```

    It starts once. Triton is started again if it dies, or if the process of a model does; a line of
    the log tells. It ends when the block does, when `stop` or `kill` is called, and when this
    process ends in any way, SIGKILL included; no process and no shared memory outlives it.
    """

    def __init__(
        self,
        repository: Repository | Sequence[Repository],
        *,
        host: str = "127.0.0.1",
        grpc_port: int = 0,
        http_port: int | None = None,
        metrics_port: int = 0,
        tls: ServerTls | None = None,
        tokens: Tokens | None = None,
        verification: Verification | None = None,
        exit_timeout: int = 30,
        start_timeout: float = 600.0,
        verbose: bool = False,
        options: Sequence[str] = (),
        log: Callable[[str], None] | None = None,
    ) -> None:
        """Takes the settings; `Settings` says what they mean.

        Args:
            repository: One model repository or several.
            host: The name or IPv4 address to listen on.
            grpc_port: Port for gRPC; 0 is any free one, here and below.
            http_port: Port for HTTP; None keeps HTTP closed.
            metrics_port: Port for the metrics.
            tls: What gRPC is encrypted with.
            tokens: What callers have to show.
            verification: How the files of the models are compared with their manifests.
            exit_timeout: Seconds that accepted requests may take to finish once it stops.
            start_timeout: Seconds that loading all models may take.
            verbose: Whether Triton tells what it does, beside warnings and errors.
            options: Further options of `tritonserver`.
            log: Called in a thread of its own with each line of Triton's log. Without it nothing
                is shown, and errors tell the lines that matter.

        Raises:
            ValueError: A setting is out of its range.
        """
        several = [repository] if isinstance(repository, str | os.PathLike) else repository
        self.settings = Settings(
            repositories=tuple(os.fspath(each) for each in several),
            host=host,
            grpc_port=grpc_port,
            http_port=http_port,
            metrics_port=metrics_port,
            tls=tls,
            tokens=tokens or Tokens(),
            verification=verification,
            exit_timeout=exit_timeout,
            start_timeout=start_timeout,
            verbose=verbose,
            options=tuple(options),
        )
        self._log = log
        self._process: SupervisedProcess | None = None
        self._address = ""
        self._ports: tuple[int, int | None, int] = (0, None, 0)
        self._http_address = ""
        self._end_requested = threading.Event()
        self._killed = False
        self._closed = Closed(self.settings.tokens)
        self._reloader: Reloader | None = None
        self._reload_turn = threading.Lock()
        self._reloading = False

    def start(self) -> Self:
        """Starts Triton and returns once every model is ready.

        Returns:
            The server itself.

        Raises:
            ModuleNotFoundError: The extra `serving` or `serving-cpu` is not installed.
            StartError: The server did not become ready; the message says why.
            RuntimeError: It was started before.
        """
        if self._process:
            raise RuntimeError("a server starts once: make another one")
        installation = find_installation()
        triton_options.check(installation.binary, self.settings.options)
        repositories.check(self.settings.repositories)
        if self.settings.verification:
            self.settings.verification.check(self.settings.repositories)
        if self.settings.tls:
            self.settings.tls.check()
        self._address = resolve(self.settings.host)
        contents = repositories.contents(self.settings.repositories)
        wanted = (self.settings.grpc_port, self.settings.http_port, self.settings.metrics_port)
        for port in filter(None, wanted):
            check_free(self._address, port)
        for attempts_left in reversed(range(ATTEMPTS)):
            self._take_ports()
            self._process = self._launch(installation)
            try:
                self._wait_ready(self._process)
            except StartError:
                tail = self._process.tail
                taken = triton_log.port_in_use(tail)
                by_chance = triton_log.lost_a_race(tail) or taken not in (None, *wanted)
                if not attempts_left or not by_chance:
                    raise
            except BaseException:
                self._process.kill()
                raise
            else:
                break
        assert self._process
        self._process.restart_on_failure()
        self._check_shared_memory()
        self._reloader = Reloader(
            self._control(),
            self._try_out,
            self.settings.repositories,
            contents,
            self._end_requested.is_set,
        )
        return self

    def _check_shared_memory(self) -> None:
        control = self._control()
        with contextlib.suppress(*FAILURES):
            configs = [control.config(model) for model in control.served()]
            if warning := shared_memory.shortage(configs, SHARED_MEMORY_BYTES):
                self._forward(warning)

    def _take_ports(self) -> None:
        settings, address = self.settings, self._address
        self._ports = (
            settings.grpc_port or free_port(address),
            None if settings.http_port is None else settings.http_port or free_port(address),
            settings.metrics_port or free_port(address),
        )

    def _control(self) -> ModelControl:
        return ModelControl(self._http_address, self._closed.headers, self.settings.start_timeout)

    @contextlib.contextmanager
    def _try_out(self) -> Iterator[ModelControl]:
        """Starts a second server of the same models, which takes no requests."""
        second = TritonServer(
            self.settings.repositories,
            # It is there to be looked at, so nobody gets a token for it.
            tokens=Tokens(secrets.token_hex(16)),
            verification=self.settings.verification,
            start_timeout=self.settings.start_timeout,
            options=self.settings.options,
        )
        second._end_requested = self._end_requested  # it stops with this one
        second.start()
        assert second._process
        try:
            yield second._control()
        finally:
            second._process.kill()
            second._process.wait()

    def _launch(self, installation: Installation) -> SupervisedProcess:
        shm_prefix = f"atelier_{os.getpid()}_{secrets.token_hex(4)}_"
        self._closed = Closed(self.settings.tokens)  # with a new key at each start
        directory = ServerDirectory(make_directory())
        http_port = self._ports[1]
        self._http_address = (
            f"unix:{directory.path / HTTP_SOCKET}"
            if http_port is None
            else self._reachable(http_port)
        )
        try:
            self._fill(directory, installation)
            plain = [directory.repository(each) for each in self.settings.repositories]
            return SupervisedProcess(
                command_line(
                    dataclasses.replace(self.settings, repositories=plain),
                    installation,
                    directory,
                    self._address,
                    self._ports,
                    shm_prefix,
                ),
                environment=environment(self.settings, directory, os.environ),
                directory=directory.path,
                shm_prefix=shm_prefix,
                exit_timeout=self.settings.exit_timeout,
                http_address=self._http_address,
                headers=self._closed.headers,
                hidden=self._closed.options(),
                strict=bool(self.settings.tokens),
                log=self._forward,
            )
        except BaseException:
            shutil.rmtree(directory.path, ignore_errors=True)
            raise

    @staticmethod
    def _fill(directory: ServerDirectory, installation: Installation) -> None:
        try:
            directory.fill(installation)
        except OSError as error:
            raise StartError(
                f"cannot prepare the server's directory {directory.path}: {error.strerror}; make "
                "room there, or set TMPDIR to a folder on another disk"
            ) from error

    def _forward(self, line: str) -> None:
        if self._log and not triton_log.is_noise(line):
            self._log(line)

    def _wait_ready(self, process: SupervisedProcess) -> None:
        timeout = self.settings.start_timeout
        end = time.monotonic() + timeout
        trouble = ""
        while process.poll() is None:
            if self._end_requested.is_set():
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
        if self._end_requested.is_set():
            raise StartError("Triton did not start: it was told to stop while it loaded its models")
        # After a model that failed to load, Triton 2.51 ends, and sometimes crashes on its way out.
        if status > 128 and not triton_log.model_failures(process.tail):
            words = triton_log.last_words(process.tail)
            raise StartError(f"Triton {describe_end(status)} while it started:\n{words}")
        raise StartError(f"Triton did not start:\n{triton_log.explain(process.tail)}")

    def _is_ready(self) -> bool:
        """Asks over HTTP; gRPC is open before it, the metrics a moment later."""
        if not ModelControl(self._http_address, self._closed.headers).is_ready():
            return False
        host, port = self.metrics_url.split(":")
        with contextlib.suppress(OSError):
            socket.create_connection((host, int(port)), timeout=5).close()
            return True
        return False

    def reload(self) -> Reload:
        """Takes what is new in the model repositories, and returns when it is served.

        New models and new versions are loaded, models that are gone are unloaded; all requests are
        answered throughout. Everything is tried out first, by a second server that takes as much
        memory as this one for that time: if it does not start, or if a model that others call has
        other inputs or outputs than before, nothing is changed. Models change one after the other,
        so that for a moment a new version of one works with the version before of another. Where
        nothing is new, nothing is done.

        Returns:
            What was loaded and removed.

        Raises:
            ReloadError: Something could not be taken, or the server stops; the message says why.
                What was served before goes on.
            RuntimeError: The server has not been started.
        """
        if not self._reloader or not self._process:
            raise RuntimeError("the server has not been started")
        with self._reload_turn:
            self._reloading = True
            try:
                return self._reloader.run()
            finally:
                self._reloading = False
                if self._end_requested.is_set():
                    self._process.terminate()

    def terminate(self) -> None:
        """Asks the server to finish its requests and end; returns at once, also in a handler."""
        if self._process and self._process.poll() is not None:
            return
        self._end_requested.set()
        # A reload ends first, with the model that it loads: what calls it is opened by that, also
        # if it was drained already.
        if self._process and not self._reloading:
            self._process.terminate()

    def kill(self) -> None:
        """Ends the server at once, with the requests that it works on."""
        self._killed = True
        self._end_requested.set()
        if self._process:
            self._process.kill()

    def wait(self, timeout: float | None = None) -> None:
        """Waits until the server has ended and nothing of it is left.

        Args:
            timeout: Seconds to wait, or None for as long as it takes.

        Raises:
            CrashError: It died too often, or did not finish its requests in time.
            TimeoutError: It still runs.
        """
        if not self._process:
            return
        try:
            status = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"the server still runs after {timeout:g} s") from None
        if self._killed:
            return
        words = triton_log.last_words(self._process.tail)
        if not self._end_requested.is_set():
            why = triton_log.not_restarted(self._process.tail) or f"Triton {describe_end(status)}"
            raise CrashError(f"{why}; its last words:\n{words}")
        if status:
            raise CrashError(
                f"Triton {describe_end(status)} before all requests were answered "
                f"(exit_timeout is {self.settings.exit_timeout} s); its last words:\n{words}"
            )

    def stop(self) -> None:
        """Lets accepted requests finish, for `exit_timeout` at most, and ends the server.

        Raises:
            CrashError: It had ended before, or did not finish its requests in time.
        """
        self.terminate()
        self.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        except CrashError as crash:
            if error is None:
                raise
            # What went wrong in the block most likely follows from the crash.
            error.add_note(str(crash))

    @property
    def running(self) -> bool:
        """Whether Triton runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process id of Triton itself, which changes when it is started again."""
        if not self._process or not self._process.pid:
            raise RuntimeError("the server has not been started")
        return self._process.pid

    @property
    def grpc_url(self) -> str:
        """Where this machine reaches gRPC, as `address:port`."""
        return self._url(self._ports[0])

    @property
    def http_url(self) -> str:
        """Where this machine reaches HTTP, as `address:port`; only where `http_port` was given."""
        if self.settings.http_port is None:
            raise RuntimeError("HTTP is closed: give http_port to open it")
        assert self._ports[1] is not None
        return self._url(self._ports[1])

    @property
    def metrics_url(self) -> str:
        """Where this machine reaches the metrics, as `address:port`."""
        return self._url(self._ports[2])

    def _url(self, port: int) -> str:
        if not self._process:
            raise RuntimeError("the server has not been started")
        return self._reachable(port)

    def _reachable(self, port: int) -> str:
        address = "127.0.0.1" if self._address == "0.0.0.0" else self._address  # noqa: S104
        return f"{address}:{port}"
