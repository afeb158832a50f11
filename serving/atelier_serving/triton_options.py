"""Options that are passed on to `tritonserver`, tried before a server is started with them.

Triton answers an option that it does not take with its whole help, some 400 lines, and one of them
says why.
"""

import difflib
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from atelier_serving.errors import StartError

_NAME = re.compile(r"^  (--[\w-]+)", re.MULTILINE)
_UNKNOWN = re.compile(r"unrecognized option '(?P<name>--[^'=]*)")


def check(binary: Path, options: Sequence[str]) -> None:
    """Has Triton read options, and nothing more.

    Args:
        binary: The program `tritonserver`.
        options: What it would be started with.

    Raises:
        StartError: It does not take them; the message is Triton's, with the nearest name.
    """
    if not options:
        return
    help_text = _ask_for_help(binary, ())
    lines = _ask_for_help(binary, options).splitlines()
    usual = {*help_text.splitlines(), ""}
    trouble = " ".join(
        line.removeprefix(f"{binary}: ")
        for line in lines
        if line not in usual and not line.startswith("Warning:")
    )
    if not trouble:
        return
    if unknown := _UNKNOWN.search(trouble):
        nearest = difflib.get_close_matches(unknown["name"], _NAME.findall(help_text), 1)
        trouble += f"; the nearest is {nearest[0]}" if nearest else ""
    raise StartError(f"Triton does not take its options: {trouble}")


def _ask_for_help(binary: Path, options: Sequence[str]) -> str:
    asked = subprocess.run(  # noqa: S603 - no shell is involved
        [binary, *options, "--help"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return asked.stdout.decode(errors="replace")
