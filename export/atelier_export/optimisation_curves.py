"""Curves of the slow optimisation, kept on disk: they cost minutes and fit every network."""

import json
import logging
from dataclasses import astuple
from pathlib import Path
from typing import Any

from atelier_export.paint import CurvePoint

_log = logging.getLogger(__name__)


class CurveFile:
    """One JSON object a line, only ever appended to; a kill costs the last line at most."""

    def __init__(self, path: Path) -> None:
        """Reads what is there; raises OSError if it cannot be read."""
        self._path = path
        self._records: list[dict[str, Any]] = []
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
            try:
                self._records.append(json.loads(line))
            except ValueError:
                _log.warning("%s: a line that was cut short is passed over", path)

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
