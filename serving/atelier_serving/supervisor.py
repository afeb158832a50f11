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
import shutil
import signal
import subprocess
import sys
import time
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
REAP_SECONDS = 5.0
DRAIN_POLL_SECONDS = 0.05
ANSWER_SECONDS = 3.0
"""How long Triton may take to answer a question about its models."""


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


class Drain:
    """Lets ensembles finish the requests that they have accepted.

    Once it is told to end, Triton gives nothing more to any model, also not what an ensemble has
    still to send to its next step; such a request fails. So ensembles are unloaded first: they
    refuse new requests, finish theirs, and are gone.
    """

    def __init__(self, address: str, key: str) -> None:
        """Prepares a drain.

        Args:
            address: Where Triton's HTTP is, as `address:port`.
            key: The header that opens model control, as `name=value`.
        """
        self._address = address
        name, _, value = key.partition("=")
        self._headers = {name: value}
        self._ensembles: set[str] = set()

    def begin(self) -> None:
        """Has the ensembles refuse new requests; does nothing where Triton does not answer."""
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            for model in {each["name"] for each in self._index() if each["state"] == "READY"}:
                config = self._ask("GET", f"/v2/models/{model}/config")
                if config.get("platform") == "ensemble":
                    self._ask("POST", f"/v2/repository/models/{model}/unload")
                    self._ensembles.add(model)

    def is_over(self) -> bool:
        """Whether every ensemble is gone, or nobody is there to tell."""
        if not self._ensembles:
            return True
        try:
            states = {entry["state"] for entry in self._index() if entry["name"] in self._ensembles}
        except TimeoutError:
            return False  # busy, and so still at work
        except (OSError, http.client.HTTPException, ValueError):
            return True
        return states <= {"UNAVAILABLE"}

    def _index(self) -> list[dict[str, str]]:
        entries: list[dict[str, str]] = self._ask("POST", "/v2/repository/index")
        return [entry for entry in entries if "state" in entry]

    def _ask(self, method: str, path: str) -> Any:
        connection = http.client.HTTPConnection(self._address, timeout=ANSWER_SECONDS)
        try:
            connection.request(method, path, body="{}", headers=self._headers)
            answer = connection.getresponse()
            content = answer.read()
            if answer.status != http.client.OK:
                raise ValueError(f"{path}: {answer.status}")
            return json.loads(content) if content else None
        finally:
            connection.close()


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

    terminate_at = kill_at = math.inf
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
        if time.monotonic() >= kill_at:
            triton.kill()
            triton.wait()
    clear(triton.pid, directory, shm_prefix)
    reap()
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
            Drain(address, key),
        )
    )
