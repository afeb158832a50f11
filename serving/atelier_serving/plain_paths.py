"""Paths that reach every part of Triton unchanged.

Triton's Python backend starts its stubs by a shell and quotes no name, so that a space parts a path
and `$HOME` in it is expanded; and Python in a stub takes paths for ASCII, whatever the locale says.
"""

import os
import shlex
import tempfile
from pathlib import Path

from atelier_serving.errors import StartError

TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 - only where the user's own cannot be taken


def is_plain(path: str) -> bool:
    """Tells whether a path is ASCII and a shell takes it as it is."""
    return shlex.quote(path) == path


def make_directory() -> Path:
    """Makes a private directory whose path is plain: where TMPDIR says, or in `TEMPORARY`.

    Raises:
        StartError: No directory for temporary files has a plain path and can be written to.
    """
    for parent in (own := tempfile.gettempdir(), *TEMPORARY):
        if is_plain(parent) and os.access(parent, os.W_OK | os.X_OK):
            return Path(tempfile.mkdtemp(prefix="atelier-serving-", dir=parent))
    raise StartError(
        f"no directory for temporary files has a path that a shell takes as it is, such as "
        f"{TEMPORARY[0]}, and can be written to: set TMPDIR to one, not to {own!r}"
    )
