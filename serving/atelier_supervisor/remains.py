"""What Triton leaves behind: processes, shared memory and files."""

import contextlib
import os
import shutil
import signal
import time
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where Linux keeps POSIX shared memory, by definition
REAP_SECONDS = 5.0


def clear(process_group: int | None, directory: Path, shm_prefix: str) -> None:
    """Kills what is left of Triton's processes and removes what they left in files.

    Args:
        process_group: The process group of Triton and its stubs; None if there never was one.
        directory: The temporary directory of the server.
        shm_prefix: How the names of the server's shared memory regions begin.
    """
    clear_for_restart(process_group, directory, shm_prefix)
    shutil.rmtree(directory, ignore_errors=True)


def clear_for_restart(process_group: int | None, directory: Path, shm_prefix: str) -> None:
    """Does what `clear` does, but leaves in the directory what the next Triton needs."""
    if process_group is not None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process_group, signal.SIGKILL)
    for region in SHARED_MEMORY.glob(f"{shm_prefix}*"):
        region.unlink(missing_ok=True)
    # A socket that is there already cannot be listened on.
    for socket in filter(Path.is_socket, directory.glob("*")):
        socket.unlink()


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
