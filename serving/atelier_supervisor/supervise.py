"""The phases of a server's life.

Signals: SIGTERM lets accepted requests finish, SIGQUIT stops at once. A launcher that is gone is as
good as a SIGTERM.
"""

import ctypes
import enum
import math
import os
import signal
import subprocess
import time
from pathlib import Path

from atelier_supervisor.drain import Drain
from atelier_supervisor.remains import clear, is_alone, reap

PR_SET_PDEATHSIG = 1  # linux/prctl.h
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
POLL_SECONDS = 0.5
DRAIN_POLL_SECONDS = 0.05
ORPHAN_SECONDS = 5.0
"""How long accepted requests may go on, at most, after the launcher was killed."""
KILL_MARGIN_SECONDS = 2.0
"""How much longer than its own exit time-out Triton may take before it is killed."""
TIMED_OUT = 1
"""Triton's exit status when its own exit time-out has passed."""
LINGER_SECONDS = 5.0
"""How long Triton may go on once it was told to end and holds no model any more. Triton 2.51 never
ends by itself if it was told to end while it loaded a model, or after a model failed to load in
place of the same version."""

WATCHED = {signal.SIGTERM, signal.SIGQUIT, signal.SIGCHLD}


class Phase(enum.Enum):
    """What a server is at, and what ends it."""

    SERVING = enum.auto()
    """It takes requests, until it is told to end."""
    DRAINING = enum.auto()
    """Ensembles finish what they have accepted, until none is left or the time is up."""
    ENDING = enum.auto()
    """Triton was told to end, finishes what its models have accepted, and exits."""


class Supervision:
    """Sees Triton through its phases."""

    def __init__(
        self, triton: subprocess.Popen[bytes], launcher: int, exit_timeout: float, drain: Drain
    ) -> None:
        """Begins with a process that was just started; see `supervise` for the arguments."""
        self.phase = Phase.SERVING
        self._triton = triton
        self._launcher = launcher
        self._exit_timeout = exit_timeout
        self._drain = drain
        # Times of the monotonic clock.
        self._terminate_at = self._kill_at = self._alone_since = math.inf

    def run(self) -> int:
        """Waits until Triton has ended, however that comes, and returns the exit status."""
        while self._triton.poll() is None:
            self._wait_for_signal()
            if os.getppid() != self._launcher:
                self._end_within(min(self._exit_timeout, ORPHAN_SECONDS))
            if self.phase is Phase.DRAINING:
                self._end_if_drained()
            if self.phase is Phase.ENDING:
                self._note_whether_alone()
            if time.monotonic() >= min(self._kill_at, self._alone_since + LINGER_SECONDS):
                self._triton.kill()
                self._triton.wait()
        return self._exit_status(self._triton.returncode)

    def _wait_for_signal(self) -> None:
        poll = DRAIN_POLL_SECONDS if self.phase is Phase.DRAINING else POLL_SECONDS
        received = signal.sigtimedwait(WATCHED, poll)
        if received and received.si_signo == signal.SIGQUIT:
            self._kill_at = 0.0
        if received and received.si_signo == signal.SIGTERM:
            self._end_within(self._exit_timeout)

    def _end_within(self, seconds: float) -> None:
        """Has the server end; told so again, the earlier of both times counts."""
        self._terminate_at = min(self._terminate_at, time.monotonic() + seconds)
        self._kill_at = min(self._kill_at, self._terminate_at + KILL_MARGIN_SECONDS)
        if self.phase is Phase.SERVING:
            self.phase = Phase.DRAINING
            self._drain.begin()

    def _end_if_drained(self) -> None:
        if self._drain.is_over() or time.monotonic() >= self._terminate_at:
            self.phase = Phase.ENDING
            self._triton.terminate()

    def _note_whether_alone(self) -> None:
        alone = is_alone(self._triton.pid)
        self._alone_since = min(self._alone_since, time.monotonic()) if alone else math.inf

    def _exit_status(self, status: int) -> int:
        """Triton's status, or 128 + signal number, as shells report it."""
        if self._alone_since < math.inf and status in (TIMED_OUT, -signal.SIGKILL):
            return 0  # All requests were answered; only its exit hung.
        return status if status >= 0 else 128 - status


def supervise(
    command: list[str],
    launcher: int,
    status: int,
    exit_timeout: float,
    directory: Path,
    shm_prefix: str,
    drain: Drain,
) -> int:
    """Runs Triton until it ends, and clears up after it.

    Args:
        command: Triton's command line.
        launcher: Process id of the launcher, which must be the parent.
        status: File descriptor that Triton's process id is written to.
        exit_timeout: Seconds that accepted requests may take on SIGTERM.
        directory: The temporary directory of the server, removed at the end.
        shm_prefix: How the names of the server's shared memory regions begin.
        drain: What comes before Triton's own end on SIGTERM.

    Returns:
        The exit status: Triton's, or 128 + signal number, as shells report it.
    """
    triton = _start(command)
    os.write(status, str(triton.pid).encode())
    os.close(status)
    code = Supervision(triton, launcher, exit_timeout, drain).run()
    clear(triton.pid, directory, shm_prefix)
    reap()
    return code


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    libc = ctypes.CDLL(None, use_errno=True)
    # Stubs whose Triton died come to this process, which can then wait for their end.
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)

    def prepare() -> None:
        # Safe here, for this process has a single thread that lives as long as itself.
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)

    # SIGPIPE stays ignored in Triton: a launcher that was killed reads the log no more, and the
    # requests that are under way shall end all the same.
    return subprocess.Popen(  # noqa: S603 - the launcher composed it, no shell is involved
        command,
        stdin=subprocess.DEVNULL,
        preexec_fn=prepare,
        process_group=0,
        restore_signals=False,
    )
