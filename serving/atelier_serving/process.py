"""A Triton process under its supervisor, as the launcher sees it."""

import collections
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import atelier_supervisor
from atelier_supervisor import remains
from atelier_supervisor.exit_status import as_shells_report

TAIL_LINES = 2000
"""How many lines of the log are kept, to tell why a server ended."""


_SUPERVISOR = Path(atelier_supervisor.__path__[0], "__main__.py")


class SupervisedProcess:
    """Runs a command under the supervisor and reads its output."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        directory: Path,
        shm_prefix: str,
        exit_timeout: float,
        http_address: str,
        headers: Mapping[str, str],
        hidden: Sequence[str] = (),
        strict: bool = False,
        log: Callable[[str], None],
    ) -> None:
        """Starts the command.

        Args:
            command: The command line.
            environment: The whole environment of the command.
            directory: Temporary directory of the command: its working directory, removed after
                its end.
            shm_prefix: Shared memory whose name begins so is removed after the command's end.
            exit_timeout: Seconds that the command may take after `terminate`.
            http_address: Where the supervisor reaches Triton's HTTP, as `address:port` or
                `unix:path`.
            headers: What opens model control to it.
            hidden: Further arguments of the command, which the process list does not show.
            strict: Whether it is rather not started than shown with them.
            log: Called in a thread of its own with each line of output, without its end.
        """
        self._directory = directory
        self._shm_prefix = shm_prefix
        self._log = log
        self._tail: collections.deque[str] = collections.deque(maxlen=TAIL_LINES)
        self._cleared = False
        self._pid: int | None = None
        self._pids, status_of_supervisor = os.pipe()
        weakref.finalize(self, os.close, self._pids)
        arguments = [os.getpid(), status_of_supervisor, exit_timeout, directory, shm_prefix]
        arguments += [http_address]
        try:
            # -I and -S: nothing of the user's environment may hinder the supervisor. A session of
            # its own: the terminal's Ctrl-C and hang-up reach the launcher only.
            self._supervisor = subprocess.Popen(  # noqa: S603 - no shell is involved
                [sys.executable, "-I", "-S", _SUPERVISOR, *map(str, arguments), *command],
                env=environment,
                # Python stubs search the working directory for modules before anything else, so
                # it is not the user's.
                cwd=directory,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(status_of_supervisor,),
                start_new_session=True,
                text=True,
                errors="replace",
            )
        finally:
            os.close(status_of_supervisor)
        assert self._supervisor.stdin
        self._reader = threading.Thread(target=self._read, name="triton-log", daemon=True)
        try:
            self._reader.start()
            with contextlib.suppress(BrokenPipeError), self._supervisor.stdin as secrets:
                json.dump(
                    {"headers": dict(headers), "hidden": [*hidden], "strict": strict}, secrets
                )
            self._read_pids()
            os.set_blocking(self._pids, False)
        except BaseException:
            # Nobody gets this object, so nobody else could end what it started.
            self.kill()
            self._supervisor.wait()
            raise

    @property
    def pid(self) -> int | None:
        """The process id of the command, which changes with a restart; None if it never ran."""
        with contextlib.suppress(BlockingIOError):
            self._read_pids()
        return self._pid

    def _read_pids(self) -> None:
        if told := os.read(self._pids, 4096):
            self._pid = int(told.split()[-1])

    def _read(self) -> None:
        assert self._supervisor.stdout
        handed_on = True
        with self._supervisor.stdout as output:
            for line in output:
                self._tail.append(line.rstrip("\n"))
                if handed_on:
                    try:
                        self._log(line.rstrip("\n"))
                    except Exception as error:
                        # Reading must go on: Triton stands still once nobody empties the pipe.
                        handed_on = False
                        self._tail.append(f"the log is handed on no more: {error!r}")

    @property
    def tail(self) -> tuple[str, ...]:
        """The last lines of output."""
        return tuple(self._tail)

    def restart_on_failure(self) -> None:
        """Has the command started again if it dies from now on."""
        self._supervisor.send_signal(signal.SIGUSR1)

    def terminate(self) -> None:
        """Asks the command to finish its work and end; returns at once."""
        self._supervisor.terminate()

    def kill(self) -> None:
        """Ends the command and all that it started; returns at once."""
        self._supervisor.send_signal(signal.SIGQUIT)

    def poll(self) -> int | None:
        """The exit status as shells report it (128 + signal), or None while it runs."""
        return None if self._supervisor.poll() is None else self.wait()

    def wait(self, timeout: float | None = None) -> int:
        """Waits until the command has ended and nothing of it is left.

        Args:
            timeout: Seconds to wait, or None for as long as it takes.

        Returns:
            The exit status as shells report it: 128 + the signal that ended the command.

        Raises:
            subprocess.TimeoutExpired: It still runs.
        """
        status = self._supervisor.wait(timeout)
        if (status < 0 or self.pid is None) and not self._cleared:
            # The supervisor was killed or failed, so its last duty falls to the launcher. Once
            # only: later the number of the process group may be somebody else's.
            self._cleared = True
            remains.clear(self.pid, self._directory, self._shm_prefix)
        self._reader.join(timeout=2.0)
        return as_shells_report(status)
