"""The embedded Triton server: from settings to a server that is ready, and to its end.

Start: find the installation, link the backends, take ports, run Triton under the supervisor, wait
until all models are loaded and the ports answer. Reload: what is new in the repositories is tried
out by a second server, then loaded into the running one. End: SIGTERM, accepted requests finish,
Triton unloads its models; the supervisor removes what is left.
"""

import contextlib
import os
import secrets
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Self

from atelier_serving import log as triton_log
from atelier_serving import repositories, shared_memory, triton_options
from atelier_serving.closed import Tokens
from atelier_serving.errors import CrashError, StartError
from atelier_serving.installation import find_installation
from atelier_serving.launch import Launch
from atelier_serving.manifests import Verification
from atelier_serving.options import SHARED_MEMORY_BYTES, Settings
from atelier_serving.ports import check_free, resolve
from atelier_serving.reload import Reload, Reloader
from atelier_serving.tls import ServerTls
from atelier_supervisor.exit_status import describe_end
from atelier_supervisor.model_control import FAILURES, ModelControl

ATTEMPTS = 5
"""How often Triton is started: others may be quicker to take the ports that were free, or it may
crash by a fault of its own.
"""

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
        self._launch: Launch | None = None
        self._end_requested = threading.Event()
        self._killed = False
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
        if self._launch:
            raise RuntimeError("a server starts once: make another one")
        installation = find_installation()
        triton_options.check(installation.binary, self.settings.options)
        repositories.check(self.settings.repositories)
        if self.settings.verification:
            self.settings.verification.check(self.settings.repositories)
        if self.settings.tls:
            self.settings.tls.check()
        address = resolve(self.settings.host)
        contents = repositories.contents(self.settings.repositories)
        for port in self.settings.fixed_ports:
            check_free(address, port)
        for attempts_left in reversed(range(ATTEMPTS)):
            launch = self._launch = Launch(self.settings, installation, address, self._forward)
            try:
                launch.wait_ready(self._end_requested)
            except StartError:
                hopeless = self._end_requested.is_set() or not attempts_left
                if hopeless or not launch.failed_by_chance:
                    raise
            except BaseException:
                launch.process.kill()
                raise
            else:
                break
        launch.process.restart_on_failure()
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

    def _started(self) -> Launch:
        if not self._launch:
            raise RuntimeError("the server has not been started")
        return self._launch

    def _control(self) -> ModelControl:
        return self._started().control()

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
        process = second.start()._started().process
        try:
            yield second._control()
        finally:
            process.kill()
            process.wait()

    def _forward(self, line: str) -> None:
        if self._log and not triton_log.is_noise(line):
            self._log(line)

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
        if not self._reloader:
            raise RuntimeError("the server has not been started")
        process = self._started().process
        with self._reload_turn:
            self._reloading = True
            try:
                return self._reloader.run()
            finally:
                self._reloading = False
                if self._end_requested.is_set():
                    process.terminate()

    def terminate(self) -> None:
        """Asks the server to finish its requests and end; returns at once, also in a handler."""
        if self._reloader and not self.running:
            return  # It had ended before, as `wait` tells.
        self._end_requested.set()
        # A reload ends first, with the model that it loads: what calls it is opened by that, also
        # if it was drained already.
        if self._launch and not self._reloading:
            self._launch.process.terminate()

    def kill(self) -> None:
        """Ends the server at once, with the requests that it works on."""
        self._killed = True
        self._end_requested.set()
        if self._launch:
            self._launch.process.kill()

    def wait(self, timeout: float | None = None) -> None:
        """Waits until the server has ended and nothing of it is left.

        Args:
            timeout: Seconds to wait, or None for as long as it takes.

        Raises:
            CrashError: It died too often, or did not finish its requests in time.
            TimeoutError: It still runs.
        """
        if not self._launch:
            return
        process = self._launch.process
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"the server still runs after {timeout:g} s") from None
        if self._killed:
            return
        words = triton_log.last_words(process.tail)
        if not self._end_requested.is_set() or not self._reloader:
            why = triton_log.not_restarted(process.tail) or f"Triton {describe_end(status)}"
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
        return self._launch is not None and self._launch.process.poll() is None

    @property
    def pid(self) -> int:
        """The process id of Triton itself, which changes when it is started again."""
        pid = self._started().process.pid
        if not pid:
            raise RuntimeError("the server has not been started")
        return pid

    @property
    def grpc_url(self) -> str:
        """Where this machine reaches gRPC, as `address:port`."""
        return self._started().grpc_url

    @property
    def http_url(self) -> str:
        """Where this machine reaches HTTP, as `address:port`; only where `http_port` was given."""
        if self.settings.http_port is None:
            raise RuntimeError("HTTP is closed: give http_port to open it")
        return self._started().http_url

    @property
    def metrics_url(self) -> str:
        """Where this machine reaches the metrics, as `address:port`."""
        return self._started().metrics_url
