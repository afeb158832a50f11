"""How a process ended, in numbers and in words."""

import signal


def as_shells_report(status: int) -> int:
    """Gives 128 + signal number for a process that a signal ended.

    Args:
        status: Python's exit status, which is minus the signal number then.
    """
    return status if status >= 0 else 128 - status


def describe_end(status: int) -> str:
    """Says how a process ended.

    Args:
        status: Its exit status, as shells report it.

    Returns:
        Such as "was ended by SIGSEGV" or "ended with status 1".
    """
    names = {128 + number: number.name for number in signal.Signals}
    if status == 128 + signal.SIGKILL:
        return "was ended by SIGKILL, perhaps for want of memory (the kernel's log tells: dmesg)"
    return f"was ended by {names[status]}" if status in names else f"ended with status {status}"
