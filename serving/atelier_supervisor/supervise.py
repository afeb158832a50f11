"""The phases of a server's life.

Signals: SIGTERM lets accepted requests finish, SIGQUIT stops at once. A launcher that is gone is as
good as a SIGTERM. With SIGUSR1 the launcher says that it has found the server ready: a Triton that
dies from then on, or one of whose models a process dies or is stopped, is started again.
"""

import contextlib
import ctypes
import enum
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from atelier_supervisor import hidden_arguments
from atelier_supervisor.drain import Drain
from atelier_supervisor.exit_status import as_shells_report, describe_end
from atelier_supervisor.model_control import ModelControl
from atelier_supervisor.remains import clear_for_restart, is_alone, reap
from atelier_supervisor.restarts import INTERVAL_SECONDS, MAX_STARTS, StartLimit
from atelier_supervisor.stubs import Stubs

LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1  # linux/prctl.h
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
POLL_SECONDS = 0.75
"""How often it looks after Triton; what has to be seen twice is noticed within two seconds."""
DRAIN_POLL_SECONDS = 0.05
ORPHAN_SECONDS = 5.0
"""How long accepted requests may go on, at most, after the launcher was killed."""
KILL_MARGIN_SECONDS = 2.0
"""How much longer than its own exit time-out Triton may take before it is killed."""
TIMED_OUT = 1
"""Triton's exit status when its own exit time-out has passed."""
LINGER_SECONDS = 5.0
"""How long Triton may go on once it was told to end and no model works any more. Triton 2.51 never
ends by itself if it was told to end while it loaded a model, if a model failed to load in place of
the same version, or if a client broke off while its answer was written: the request is answered and
yet keeps its model (a leak that triton-inference-server/server#8078 has mended since). So an answer
that a client has not read by then is lost to it."""

WATCHED = {signal.SIGTERM, signal.SIGQUIT, signal.SIGUSR1, signal.SIGCHLD}


@dataclass(frozen=True)
class Command:
    """What starts Triton.

    Attributes:
        shown: The program and its arguments.
        hidden: Further arguments, which the process list must not show.
        strict: Whether Triton is rather not started than shown with them.
    """

    shown: list[str]
    hidden: list[str] = field(default_factory=list)
    strict: bool = False


class Phase(enum.Enum):
    """What a server is at, and what ends it."""

    STARTING = enum.auto()
    """It loads its models and takes no requests yet."""
    SERVING = enum.auto()
    """It takes requests, until it is told to end."""
    DRAINING = enum.auto()
    """Models that call others finish what they have accepted, or the time is up."""
    ENDING = enum.auto()
    """Triton was told to end, finishes what its models have accepted, and exits."""


class Supervision:
    """Sees one Triton through its phases.

    Attributes:
        phase: What it is at.
        trouble: Why it ended, in words, if nobody had asked it to.
    """

    def __init__(
        self,
        triton: subprocess.Popen[bytes],
        launcher: int,
        exit_timeout: float,
        control: ModelControl,
        *,
        restarted: bool,
    ) -> None:
        """Begins with a process that was just started; see `supervise` for the arguments."""
        self.phase = Phase.STARTING
        self.trouble = ""
        self._triton = triton
        self._launcher = launcher
        self._exit_timeout = exit_timeout
        self._control = control
        self._drain = Drain(control)
        self._stubs = Stubs(triton.pid)
        self._restarted = restarted
        self._alone = self._owes_nothing = False
        # Times of the monotonic clock.
        self._terminate_at = self._kill_at = self._idle_since = math.inf

    def run(self) -> int:
        """Waits until Triton has ended, however that comes, and returns the exit status."""
        while self._triton.poll() is None:
            self._take_signals(DRAIN_POLL_SECONDS if self.phase is Phase.DRAINING else POLL_SECONDS)
            if os.getppid() != self._launcher:
                self._end_within(min(self._exit_timeout, ORPHAN_SECONDS))
            if self._restarted and self.phase is Phase.STARTING and self._control.is_ready():
                self.phase = Phase.SERVING
                say("restarted: every model is ready again")
            if self.phase is Phase.SERVING:
                self._end_if_a_stub_is_lost()
            if self.phase is Phase.DRAINING:
                self._end_if_drained()
            if self.phase is Phase.ENDING:
                self._alone = is_alone(self._triton.pid)
            if self.phase in (Phase.DRAINING, Phase.ENDING):
                self._end_if_idle()
            if time.monotonic() >= self._kill_at:
                self._triton.kill()
                self._triton.wait()
        self._take_signals(0)
        status = self._exit_status(self._triton.returncode)
        if self.phase in (Phase.DRAINING, Phase.ENDING):
            self.trouble = ""
        elif not self.trouble:
            self.trouble = f"Triton {describe_end(status)}"
        return status

    def _take_signals(self, seconds: float) -> None:
        """Waits for a signal, so long at most, and acts on all that have come by then."""
        while received := signal.sigtimedwait(WATCHED, seconds):
            seconds = 0
            if received.si_signo == signal.SIGQUIT:
                self._end_at_once()
            if received.si_signo == signal.SIGTERM:
                self._end_within(self._exit_timeout)
            if received.si_signo == signal.SIGUSR1 and self.phase is Phase.STARTING:
                self.phase = Phase.SERVING

    def _end_at_once(self) -> None:
        self.phase = Phase.ENDING
        self._kill_at = 0.0

    def _end_within(self, seconds: float) -> None:
        """Has the server end; told so again, the earlier of both times counts."""
        if self.phase is Phase.STARTING and not self._control.is_ready():
            self._owes_nothing = True
            self._end_at_once()
        self._terminate_at = min(self._terminate_at, time.monotonic() + seconds)
        self._kill_at = min(self._kill_at, self._terminate_at + KILL_MARGIN_SECONDS)
        if self.phase in (Phase.STARTING, Phase.SERVING):
            self.phase = Phase.DRAINING
            self._drain.begin()

    def _end_if_a_stub_is_lost(self) -> None:
        if trouble := self._stubs.lost():
            self.trouble = trouble
            self._kill_at = 0.0  # with a lost stub, Triton 2.51 never ends by itself

    def _end_if_drained(self) -> None:
        if self._drain.is_over() or time.monotonic() >= self._terminate_at:
            self.phase = Phase.ENDING
            self._triton.terminate()

    def _end_if_idle(self) -> None:
        idle = self._stubs.are_idle()
        self._idle_since = min(self._idle_since, time.monotonic()) if idle else math.inf
        if time.monotonic() >= self._idle_since + LINGER_SECONDS:
            self._owes_nothing = True
            self._kill_at = 0.0

    def _exit_status(self, status: int) -> int:
        """Triton's status, or 128 + signal number, as shells report it."""
        # All requests were answered, if there were any; at most its exit hung.
        answered = self._alone or self._owes_nothing
        if answered and status in (TIMED_OUT, -signal.SIGKILL):
            return 0
        return as_shells_report(status)


def supervise(
    command: Command,
    launcher: int,
    status: int,
    exit_timeout: float,
    directory: Path,
    shm_prefix: str,
    control: ModelControl,
) -> int:
    """Runs Triton until it ends, starts it again if it died, and clears up after it.

    Args:
        command: What starts Triton.
        launcher: Process id of the launcher, which must be the parent.
        status: File descriptor that the process id of each Triton is written to, a line each.
        exit_timeout: Seconds that accepted requests may take on SIGTERM.
        directory: The temporary directory of the server, removed at the end.
        shm_prefix: How the names of the server's shared memory regions begin.
        control: Triton's model control.

    Returns:
        The exit status: Triton's, or 128 + signal number, as shells report it.
    """
    _prepare()
    limit = StartLimit()
    served = False
    while True:
        limit.count()
        try:
            triton = _start(command)
        except hidden_arguments.HidingError as error:
            say(
                f"error: this system lets no process trace one that it starts ({error}), so that "
                "its tokens would stand in the process list: allow ptrace, or serve without tokens"
            )
            code = 1
            break
        with contextlib.suppress(BrokenPipeError):
            os.write(status, f"{triton.pid}\n".encode())
        supervision = Supervision(triton, launcher, exit_timeout, control, restarted=served)
        code = supervision.run()
        clear_for_restart(triton.pid, directory, shm_prefix)
        reap()
        served = served or supervision.phase is not Phase.STARTING
        if not supervision.trouble or not served:
            break
        if limit.is_reached():
            say(
                f"not restarted: {supervision.trouble}, and {MAX_STARTS} starts within "
                f"{INTERVAL_SECONDS:g} s are the limit"
            )
            break
        say(f"restarting: {supervision.trouble}")
    shutil.rmtree(directory, ignore_errors=True)
    return code


def say(line: str) -> None:
    """Writes a line to the log, if anybody reads it."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{line}\n")  # which is flushed with each line


def _prepare() -> None:
    # Stubs whose Triton died come to this process, which can then wait for their end.
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1)
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)


def _start(command: Command) -> "subprocess.Popen[bytes]":
    def prepare() -> None:
        # Safe here, for this process has a single thread that lives as long as itself.
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)

    try:
        return hidden_arguments.start(command.shown, command.hidden, os.environ, prepare)
    except hidden_arguments.HidingError as error:
        if command.strict:
            raise
        say(
            f"warning: this system lets no process trace one that it starts ({error}): who can "
            "see the process list can take the key to model control from it"
        )
        return hidden_arguments.start([*command.shown, *command.hidden], [], os.environ, prepare)
