"""The process between the launcher and Triton: it alone decides that nothing is left behind.

It is started as a script, in a session of its own, and is Triton's parent. It ends when Triton
ends, and it ends Triton when it is told to or when the launcher is gone, however the launcher died.
A death signal on Triton itself would not do: it fires when the *thread* that started it ends, it
does not reach the stubs of the Python backend, and it removes no shared memory.

Signals: SIGTERM lets accepted requests finish, SIGQUIT stops at once. The exit status is Triton's,
or 128 + the number of the signal that ended Triton. Only the standard library is used, so that it
starts in some 30 ms.
"""

import contextlib
import ctypes
import http.client
import json
import math
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where Linux keeps POSIX shared memory, by definition
PR_SET_PDEATHSIG = 1  # linux/prctl.h
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
POLL_SECONDS = 0.5
ORPHAN_SECONDS = 5.0
"""How long accepted requests may go on after the launcher was killed."""
KILL_MARGIN_SECONDS = 2.0
"""How much longer than its own exit time-out Triton may take before it is killed."""
TIMED_OUT = 1
"""Triton's exit status when its own exit time-out has passed."""
LINGER_SECONDS = 5.0
"""How long Triton may go on once it was told to end and holds no model any more. Triton 2.51 never
ends by itself if it was told to end while it loaded a model, or after a model failed to load in
place of the same version."""
REAP_SECONDS = 5.0
DRAIN_POLL_SECONDS = 0.05
ANSWER_SECONDS = 3.0
"""How long Triton may take to answer a question about its models."""
STOP_POLL_MILLISECONDS = 50


def clear(process_group: int | None, directory: Path, shm_prefix: str) -> None:
    """Kills what is left of Triton's processes and removes what they left in files.

    Args:
        process_group: The process group of Triton and its stubs; None if there never was one.
        directory: The temporary directory of the server.
        shm_prefix: How the names of the server's shared memory regions begin.
    """
    if process_group is not None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process_group, signal.SIGKILL)
    for region in SHARED_MEMORY.glob(f"{shm_prefix}*"):
        region.unlink(missing_ok=True)
    shutil.rmtree(directory, ignore_errors=True)


def reap() -> None:
    """Waits until every child of this process has ended, for `REAP_SECONDS` at most."""
    end = time.monotonic() + REAP_SECONDS
    with contextlib.suppress(ChildProcessError):
        while time.monotonic() < end:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if not pid:
                time.sleep(0.01)


def is_alone(leader: int) -> bool:
    """Tells whether nothing of a process group runs but its leader.

    Triton's one backend runs each instance of a model in a process of its own, so that Triton
    without any other process holds no model and owes no answer.
    """
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, group, *_ = stat.read_text().rpartition(")")[2].split()
            if int(group) == leader and int(stat.parent.name) != leader and state != "Z":
                return False
    return True


class RefusedError(ValueError):
    """Triton refused what it was asked; the message is its own."""


class Stopped(Exception):  # noqa: N818 - no error: somebody wanted it
    """Triton's answer was not waited for, since the server is to stop."""


FAILURES = (RefusedError, OSError, http.client.HTTPException)
"""Why Triton did not do what it was asked to: it refused, or did not answer."""


class ModelControl:
    """Triton's model control over HTTP, which takes the key.

    Every method raises one of `FAILURES` where Triton did not do what it was asked to.
    """

    def __init__(
        self,
        address: str,
        key: str,
        timeout: float = ANSWER_SECONDS,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Prepares questions to Triton.

        Args:
            address: Where Triton's HTTP is, as `address:port`.
            key: The header that opens model control, as `name=value`.
            timeout: Seconds to wait for an answer.
            stopped: Tells whether to ask and to wait no longer, which then raises `Stopped`.
        """
        self._address = address
        name, _, value = key.partition("=")
        self._headers = {name: value}
        self._timeout = timeout
        self._stopped = stopped

    def index(self) -> list[dict[str, str]]:
        """What lies in the repositories: `name`, and `version` and `state` of what was loaded."""
        entries: list[dict[str, str]] = self._ask("POST", "repository/index")
        return entries

    def served(self) -> dict[str, list[int]]:
        """The versions that answer requests, by model; also of models that lie there no more."""
        versions: dict[str, list[int]] = {}
        for entry in self._ask("GET", "models/stats")["model_stats"]:
            versions.setdefault(entry["name"], []).append(int(entry["version"]))
        return versions

    def config(self, model: str) -> dict[str, Any]:
        """The configuration of a model as it is served."""
        config: dict[str, Any] = self._ask("GET", f"models/{model}/config")
        return config

    def load(
        self, model: str, config: dict[str, Any] | None = None, *, to_the_end: bool = False
    ) -> None:
        """Loads a model and returns once it is ready.

        What serves already and has not changed, by the newest time of its files and folders, stays
        as it is. What has changed takes the place of the old once it is ready, and the old one
        serves on if it never is. With an ensemble, Triton loads what has changed of its steps.

        Args:
            model: The model's name.
            config: The configuration to load it with, instead of its config.pbtxt.
            to_the_end: Whether to wait for the answer also if the server is to stop meanwhile.
        """
        parameters = {"parameters": {"config": json.dumps(config)}} if config else {}
        path = f"repository/models/{model}/load"
        self._ask("POST", path, parameters, to_the_end=to_the_end)

    def unload(self, model: str) -> None:
        """Has a model refuse new requests and, once it has answered those it has, go."""
        self._ask("POST", f"repository/models/{model}/unload")

    def _ask(
        self,
        method: str,
        path: str,
        content: dict[str, Any] | None = None,
        *,
        to_the_end: bool = False,
    ) -> Any:
        if self._stopped():
            raise Stopped
        connection = http.client.HTTPConnection(self._address, timeout=self._timeout)
        try:
            connection.request(method, f"/v2/{path}", json.dumps(content or {}), self._headers)
            answered = select.poll()
            answered.register(connection.sock, select.POLLIN)
            end = time.monotonic() + self._timeout
            while not answered.poll(STOP_POLL_MILLISECONDS):
                if self._stopped() and not to_the_end:
                    raise Stopped
                if time.monotonic() > end:
                    raise TimeoutError(f"Triton did not answer within {self._timeout:g} s")
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status == http.client.OK:
            return json.loads(text) if text else None
        try:
            raise RefusedError(json.loads(text)["error"])
        except (json.JSONDecodeError, KeyError):
            raise RefusedError(f"{path}: HTTP status {answer.status}") from None


class Drain:
    """Lets ensembles finish the requests that they have accepted.

    Once it is told to end, Triton gives nothing more to any model, also not what an ensemble has
    still to send to its next step; such a request fails. So ensembles are unloaded first: they
    refuse new requests, finish theirs, and are gone.
    """

    def __init__(self, control: ModelControl) -> None:
        """Prepares a drain."""
        self._control = control

    def begin(self) -> None:
        """Has the ensembles refuse new requests; does nothing where Triton does not answer."""
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            for model in self._control.served():
                if self._control.config(model)["platform"] == "ensemble":
                    self._control.unload(model)

    def is_over(self) -> bool:
        """Whether every model that was unloaded is gone, or nobody is there to tell."""
        try:
            return not any(entry.get("state") == "UNLOADING" for entry in self._control.index())
        except TimeoutError:
            return False  # busy, and so still at work
        except (OSError, http.client.HTTPException, ValueError):
            return True


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
        status: File descriptor on which Triton's process id is told.
        exit_timeout: Seconds that accepted requests may take on SIGTERM.
        directory: The temporary directory of the server, removed at the end.
        shm_prefix: How the names of the server's shared memory regions begin.
        drain: What comes before Triton's own end on SIGTERM.

    Returns:
        The exit status, in the way of a shell.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    # Stubs whose Triton died come to this process, which can then wait for their end.
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    watched = {signal.SIGTERM, signal.SIGQUIT, signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, watched)

    def prepare() -> None:
        # Safe here, for this process has a single thread that lives as long as itself.
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, watched)

    # SIGPIPE stays ignored in Triton: a launcher that was killed reads the log no more, and the
    # requests that are under way shall end all the same.
    triton = subprocess.Popen(  # noqa: S603 - the launcher composed it, no shell is involved
        command,
        stdin=subprocess.DEVNULL,
        preexec_fn=prepare,
        process_group=0,
        restore_signals=False,
    )
    os.write(status, str(triton.pid).encode())
    os.close(status)

    terminate_at = kill_at = alone_since = math.inf
    draining = terminated = orphaned = False
    while triton.poll() is None:
        received = signal.sigtimedwait(watched, DRAIN_POLL_SECONDS if draining else POLL_SECONDS)
        told_to_end = received is not None and received.si_signo == signal.SIGTERM
        if received and received.si_signo == signal.SIGQUIT:
            kill_at = 0.0
        elif not orphaned and os.getppid() != launcher:
            orphaned = told_to_end = True
            exit_timeout = ORPHAN_SECONDS
        if told_to_end:
            terminate_at = min(terminate_at, time.monotonic() + exit_timeout)
            kill_at = min(kill_at, terminate_at + KILL_MARGIN_SECONDS)
            if not draining and not terminated:
                draining = True
                drain.begin()
        if draining and (drain.is_over() or time.monotonic() >= terminate_at):
            draining, terminated = False, True
            triton.terminate()
        if terminated:
            alone = is_alone(triton.pid)
            alone_since = min(alone_since, time.monotonic()) if alone else math.inf
        if time.monotonic() >= min(kill_at, alone_since + LINGER_SECONDS):
            triton.kill()
            triton.wait()
    clear(triton.pid, directory, shm_prefix)
    reap()
    if alone_since < math.inf and triton.returncode in (TIMED_OUT, -signal.SIGKILL):
        return 0  # It owed no answer any more, and only did not end by itself.
    return triton.returncode if triton.returncode >= 0 else 128 - triton.returncode


if __name__ == "__main__":
    _, launcher, status, exit_timeout, directory, shm_prefix, address, key, *command = sys.argv
    sys.exit(
        supervise(
            command,
            int(launcher),
            int(status),
            float(exit_timeout),
            Path(directory),
            shm_prefix,
            Drain(ModelControl(address, key)),
        )
    )
