"""Starting processes of our own. They are spawned, never forked: gRPC survives no fork."""

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any


def spawned(
    target: Callable[..., object], *arguments: Any
) -> tuple[BaseProcess, "Connection[Any, Any]"]:
    """Starts a process that is deaf to Ctrl-C: that is for the parent, which ends the others.

    Args:
        target: Is called there with its end of a connection, and with the arguments.
        arguments: What can be pickled.

    Returns:
        The process and our end of the connection.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(theirs, *arguments), daemon=True)
    # A child inherits what is ignored.
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process.start()
    finally:
        signal.signal(signal.SIGINT, handler)
    theirs.close()
    return process, ours
