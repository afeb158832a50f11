"""Loss curves of the slow optimisation on disk: each takes minutes, and serves every network."""

import json
import logging
from dataclasses import astuple
from pathlib import Path
from typing import Any

from atelier_export.gatys.optimisation import CurvePoint

_log = logging.getLogger(__name__)


class CurveFile:
    """One JSON object per line, append-only: a kill costs the last line at most."""

    def __init__(self, path: Path) -> None:
        """Reads the file, if it exists, and creates its folder, if it does not.

        Raises:
            OSError: The file cannot be read, or the folder cannot be created.
            ValueError: The file is not a curve file, so nothing may be appended to it.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        content = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        if content and not content.startswith('{"key"'):
            raise ValueError(f"{path} is not a curve file; choose another")
        self._path = path
        self._records = [record for line in content.splitlines() if (record := _parse(line))]
        skipped = len(content.splitlines()) - len(self._records)
        if skipped:
            _log.warning("%s: %d lines hold no complete curve and are skipped", path, skipped)

    def find(self, key: dict[str, Any], iterations: int) -> list[CurvePoint] | None:
        """The first `iterations` of a curve, or None if they are not stored under this key.

        The curve is shorter if the optimisation stopped early.
        """
        for record in self._records:
            if record["key"] == key and record["iterations"] >= iterations:
                return [CurvePoint(*point) for point in record["curve"][: iterations + 1]]
        return None

    def append(self, key: dict[str, Any], iterations: int, curve: list[CurvePoint]) -> None:
        """Appends the curve of an optimisation.

        Args:
            key: All that the curve depends on, as plain JSON.
            iterations: The optimisation's limit.
            curve: Its points from iteration 0 on.
        """
        points = [list(astuple(point)) for point in curve]
        record = {"key": key, "iterations": iterations, "curve": points}
        content = self._path.read_bytes() if self._path.exists() else b""
        with self._path.open("ab") as file:
            # A line that a kill has truncated must not spoil this one.
            separator = b"\n" if content and not content.endswith(b"\n") else b""
            file.write(separator + json.dumps(record).encode() + b"\n")
        self._records.append(record)


def _parse(line: str) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    complete = isinstance(record, dict) and record.keys() >= {"key", "iterations", "curve"}
    return record if complete else None
