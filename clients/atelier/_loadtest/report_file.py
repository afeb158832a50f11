"""Reading what a load test wrote."""

import json
from pathlib import Path
from typing import Any, Final

FORMAT: Final = 1


def read_report(file: Path) -> dict[str, Any]:
    """The content of a report's JSON file.

    Raises:
        ValueError: It is none, or of another format.
        OSError: It cannot be read.
    """
    try:
        found = json.loads(file.read_bytes())
    except ValueError as error:
        raise ValueError(f"{file} is no JSON file: {error}") from error
    if not isinstance(found, dict) or "about" not in found or "format" not in found:
        raise ValueError(f"{file} is no report of atelier loadtest")
    if found["format"] != FORMAT:
        raise ValueError(
            f"{file} has the format {found['format']}; this version reads {FORMAT}: "
            "run the load test again, or use the version that wrote it"
        )
    return found
