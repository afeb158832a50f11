"""errors.jsonl: a line for each input that failed."""

import json
import threading
from pathlib import Path


class ErrorsFile:
    """Lines of JSON with the name and the reason; begun anew by each run.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._file = path.open("w", encoding="ascii")

    def add(self, name: str, reason: str) -> None:
        """Writes a line. Bytes of a name that are not UTF-8 are lone surrogates in it."""
        with self._lock:
            self._file.write(json.dumps({"name": name, "reason": reason}) + "\n")
            self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
