"""Curves of the slow optimisation, kept on disk: they cost minutes and fit every network."""

import json
import logging
from dataclasses import astuple
from pathlib import Path
from typing import Any

from atelier_export.gatys.optimisation import CurvePoint

_log = logging.getLogger(__name__)


class CurveFile:
    """One JSON object a line, only ever appended to; a kill costs the last line at most."""

    def __init__(self, path: Path) -> None:
        """Reads what is there, and creates the folder where there is none.

        Raises:
            OSError: It cannot be read, or its folder not be created.
            ValueError: The file holds something else, to which nothing must be appended.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        content = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        if content and not content.startswith('{"key"'):
            raise ValueError(f"{path} is no file of curves; choose another for them")
        self._path = path
        self._records = [record for line in content.splitlines() if (record := _parse(line))]
        passed_over = len(content.splitlines()) - len(self._records)
        if passed_over:
            _log.warning("%s: %d lines that hold no whole curve are passed over", path, passed_over)

    def find(self, key: dict[str, Any], iterations: int) -> list[CurvePoint] | None:
        """The first `iterations` of a curve, if they were computed with this very key.

        It is shorter if the optimisation found nothing better before.
        """
        for record in self._records:
            if record["key"] == key and record["iterations"] >= iterations:
                return [CurvePoint(*point) for point in record["curve"][: iterations + 1]]
        return None

    def append(self, key: dict[str, Any], iterations: int, curve: list[CurvePoint]) -> None:
        """Keeps a curve of an optimisation that was allowed so many iterations.

        Args:
            key: All that it depends on, as plain JSON.
            iterations: The limit.
            curve: Its points from the start on.
        """
        points = [list(astuple(point)) for point in curve]
        record = {"key": key, "iterations": iterations, "curve": points}
        content = self._path.read_bytes() if self._path.exists() else b""
        with self._path.open("ab") as file:
            # What a kill has cut short must not spoil this line too.
            separator = b"\n" if content and not content.endswith(b"\n") else b""
            file.write(separator + json.dumps(record).encode() + b"\n")
        self._records.append(record)


def _parse(line: str) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    whole = isinstance(record, dict) and record.keys() >= {"key", "iterations", "curve"}
    return record if whole else None
