"""Where tables and progress are printed."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

_WIDTH_OF_FILES = 110


def wide_console() -> Console:
    """The terminal in its own width; a file or a pipe, which has none, in a width for tables."""
    console = Console()
    if not console.is_terminal:
        console.width = _WIDTH_OF_FILES
    return console


@contextmanager
def repeatedly(seconds: float, show: Callable[[], object]) -> Iterator[None]:
    """Shows something again and again for the block, in a thread, and once more at its end."""
    over = threading.Event()

    def repeat() -> None:
        while not over.wait(seconds):
            show()
        show()

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
