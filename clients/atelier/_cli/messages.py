"""What the command line says of a failure: a sentence that names the file."""

from pathlib import Path

import click


def sentence(error: OSError) -> str:
    """What the system says of a file, without its number."""
    if error.filename is None or error.strerror is None:
        return str(error)
    return f"{click.format_filename(error.filename)}: {error.strerror}"


def about(file: Path, message: str) -> str:
    """The message with the name of its file before it, where it has none yet."""
    name = click.format_filename(file)
    message = message.removeprefix("image: ")  # What the client calls bytes.
    return message if message.startswith((f"{name}: ", f"{name} ")) else f"{name}: {message}"
