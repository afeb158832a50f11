"""Starting a program with arguments that the process list does not show.

Triton takes its secrets from its command line alone, and that of every process is open to every
user of the machine (`ps`, /proc/PID/cmdline). But what the kernel shows is the memory to which it
wrote the arguments, and what a program gets is a list of pointers. So the program is given a
placeholder for each secret, and the secret in a variable, which its own user alone can read. It
stops before its first instruction, as a program does that is debugged, and then the pointer to each
placeholder is set to the text of its variable. What the program starts does not inherit these.
"""

import ctypes
import os
import struct
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Final

PLACEHOLDER: Final = "(hidden)"
_VARIABLE: Final = "ATELIER_HIDDEN_ARGUMENT_"

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_PTRACE_TRACEME = 0  # sys/ptrace.h
_PTRACE_DETACH = 17
_START_OF_STACK = 25
"""Which field of /proc/PID/stat after the name tells where argc lies (proc(5): field 28)."""
_WORD = struct.Struct("N")
_ONE_VARIABLE = 128 * 1024
"""No string that Linux hands to a program is longer, in bytes."""


class HidingError(OSError):
    """The system does not let this process change one that it starts."""


def start(
    command: Sequence[str],
    hidden: Sequence[str],
    environment: Mapping[str, str],
    prepare: Callable[[], None],
) -> "subprocess.Popen[bytes]":
    """Starts a program in a process group of its own, with nothing to read.

    Args:
        command: The program and the arguments that everybody may see.
        hidden: The arguments that follow them.
        environment: Its variables.
        prepare: Called in the new process before the program is.

    Raises:
        HidingError: The arguments cannot be hidden here; nothing was started.
    """
    if not hidden:
        return _popen(command, environment, prepare)

    def stop_at_exec() -> None:
        prepare()
        if _LIBC.ptrace(_PTRACE_TRACEME, 0, None, None):
            raise OSError(ctypes.get_errno(), "ptrace")

    variables = {f"{_VARIABLE}{number}": text for number, text in enumerate(hidden)}
    try:
        process = _popen(
            [*command, *[PLACEHOLDER] * len(hidden)], {**environment, **variables}, stop_at_exec
        )
    except subprocess.SubprocessError as error:
        raise HidingError("ptrace is refused") from error
    try:
        _reveal(process.pid, len(command))
    except OSError as error:
        process.kill()
        process.wait()
        raise HidingError(str(error)) from error
    _LIBC.ptrace(_PTRACE_DETACH, process.pid, None, None)
    return process


def _popen(
    command: Sequence[str], environment: Mapping[str, str], prepare: Callable[[], None]
) -> "subprocess.Popen[bytes]":
    # SIGPIPE stays ignored in Triton: a launcher that was killed reads the log no more, and the
    # requests that are under way shall end all the same.
    return subprocess.Popen(  # noqa: S603 - the launcher composed it, no shell is involved
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        preexec_fn=prepare,
        process_group=0,
        restore_signals=False,
    )


def _reveal(pid: int, shown: int) -> None:
    """Sets the pointers behind those to the `shown` arguments, once the program has stopped."""
    _, status = os.waitpid(pid, os.WUNTRACED)
    if not os.WIFSTOPPED(status):
        raise OSError(f"the program did not stop, but ended with {status}")
    with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:  # noqa: PTH123
        _point_to_variables(memory.fileno(), _stack_of(pid), shown)


def _stack_of(pid: int) -> int:
    with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
        return int(file.read().rpartition(") ")[2].split()[_START_OF_STACK])


def _point_to_variables(memory: int, stack: int, shown: int) -> None:
    """Sets the pointers in a program's memory.

    At its start, a program's stack has argc, the pointers to its arguments, a zero, the pointers to
    its variables, and a zero.
    """
    arguments = stack + _WORD.size
    variables = arguments + _WORD.size * (_word(memory, stack) + 1)
    at = variables
    while text := _word(memory, at):
        name, _, _ = os.pread(memory, _ONE_VARIABLE, text).split(b"\0")[0].partition(b"=")
        number = name.removeprefix(_VARIABLE.encode())
        if number != name:
            secret = text + len(name) + 1
            os.pwrite(memory, _WORD.pack(secret), arguments + _WORD.size * (shown + int(number)))
            # The first variable is there twice then, which changes nothing.
            os.pwrite(memory, os.pread(memory, _WORD.size, variables), at)
        at += _WORD.size


def _word(memory: int, address: int) -> int:
    word: int = _WORD.unpack(os.pread(memory, _WORD.size, address))[0]
    return word
