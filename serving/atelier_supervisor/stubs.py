"""The processes of the models: Triton 2.51 does not miss one that died.

Its requests fail from then on, while Triton says that the model is ready. Loading the model anew
does not help for long: the one before is never unloaded, and its other processes stay.
"""

import contextlib
import os
from collections.abc import Iterator

from atelier_supervisor.exit_status import as_shells_report, describe_end

NAME = "triton_python_b"
"""What the kernel calls a stub: the first 15 letters of its program's name."""
INSTANCE = 8
"""Which argument of a stub is the name of its model instance, such as "style_0_1"."""
IDLE_NANOSECONDS = 500_000
"""How long an idle stub runs at most between two looks: 25,000 an instant."""
MAX_BYTES = 2**16


class Stubs:
    """The processes that Triton runs the instances of its models in."""

    def __init__(self, triton: int) -> None:
        """Begins with no process seen yet.

        Args:
            triton: The process id of Triton.
        """
        self._tasks = f"/proc/{triton}/task"
        self._instances: dict[int, str] = {}
        self._ended: set[int] = set()
        self._run_times: dict[int, int] | None = None

    def lost(self) -> str | None:
        """Looks at all of them, and tells of one that Triton has to end for.

        That is one that died and that Triton does not miss: it had ended by the look before, for
        what Triton itself ends, it takes notice of at once. And one that is stopped (SIGSTOP): once
        one had gone on, Triton crashed, and a caller was sent an image that was mixed with what
        another had asked for (docs/faults.md).

        Returns:
            Such as "the process of model instance style_0_1 was ended by SIGKILL", or None.
        """
        instances: dict[int, str] = {}
        ended: dict[int, int] = {}
        for pid, state, status in self._all():
            with contextlib.suppress(OSError):
                if state == "Z":
                    ended[pid] = status
                # Of a process that has ended, the command line is gone.
                instances[pid] = self._instances.get(pid, "") or _instance(pid)
                if state == "T":
                    return f"the process of model instance {instances[pid]} was stopped"
        lost = self._ended & ended.keys()
        self._instances, self._ended = instances, set(ended)
        for pid in lost:
            end = describe_end(as_shells_report(os.waitstatus_to_exitcode(ended[pid])))
            return f"the process of model instance {instances[pid] or 'unknown'} {end}"
        return None

    def are_idle(self) -> bool:
        """Looks at all of them, and tells whether none has worked since the look before.

        What has no request waits for Triton in its main thread, on a futex, and wakes for an
        instant each second. A model that waits so for something else looks idle too, unless one
        of its other threads works.
        """
        before, self._run_times = self._run_times, {}
        idle = before is not None
        for pid, state, _ in self._all():
            with contextlib.suppress(OSError):
                if state != "Z":
                    run_time = _run_time(pid)
                    ran = run_time - (before or {}).get(pid, 0)
                    waits = _text(f"/proc/{pid}/task/{pid}/wchan").startswith("futex")
                    idle = idle and waits and ran <= IDLE_NANOSECONDS
                    self._run_times[pid] = run_time
        return idle

    def _all(self) -> Iterator[tuple[int, str, int]]:
        """The process id, the state and the wait status of each."""
        for pid in self._children():
            with contextlib.suppress(OSError):
                name, _, rest = _text(f"/proc/{pid}/stat").partition(" (")[2].rpartition(") ")
                state, *_, status = rest.split()
                # Between fork and exec, the name is still Triton's.
                if name == NAME:
                    yield pid, state, int(status)

    def _children(self) -> Iterator[int]:
        # From each of Triton's threads, since all of /proc may hold many more processes.
        with os.scandir(self._tasks) as threads:
            for thread in threads:
                with contextlib.suppress(OSError):
                    yield from map(int, _text(f"{thread.path}/children").split())


def _run_time(pid: int) -> int:
    """How long the threads of a process ran, in nanoseconds."""
    total = 0
    with os.scandir(f"/proc/{pid}/task") as threads:
        for thread in threads:
            with contextlib.suppress(OSError):
                total += int(_text(f"{thread.path}/schedstat").split()[0])
    return total


def _instance(pid: int) -> str:
    """The model instance of a stub; empty if it has ended."""
    return "".join(_text(f"/proc/{pid}/cmdline").split("\0")[INSTANCE : INSTANCE + 1])


def _text(path: str) -> str:
    # Bare calls take a third of the time, and there are some 500 threads.
    file = os.open(path, os.O_RDONLY)
    try:
        return os.read(file, MAX_BYTES).decode(errors="replace")
    finally:
        os.close(file)
