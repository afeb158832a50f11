"""Where tables and progress are printed."""

from rich.console import Console

_WIDTH_OF_FILES = 110


def wide_console() -> Console:
    """The terminal in its own width; a file or a pipe, which has none, in a width for tables."""
    console = Console()
    if not console.is_terminal:
        console.width = _WIDTH_OF_FILES
    return console
