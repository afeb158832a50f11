"""A table with a row for each input: CSV, JSON lines or Parquet."""

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeAlias

from atelier._atomic_write import written_whole

Row: TypeAlias = dict[str, Any]

_ROWS_IN_A_GROUP: Final = 10_000


class TableSink:
    """Keeps the results in the ledger, and writes the table from there when the run ends.

    So the table is whole at any time, and has each input once. A receipt is the row itself.

    Args:
        path: The table; its suffix is a key of `WRITERS`.
        receipts: Those of all rows.
    """

    def __init__(self, path: Path, receipts: Callable[[], Iterable[bytes]]) -> None:
        self._path = path
        self._receipts = receipts

    def write(self, name: str, data: bytes) -> bytes:
        """See `Sink`."""
        return json.dumps({"file": name, **json.loads(data)}).encode()

    def holds(self, receipt: bytes) -> bool:  # noqa: ARG002
        """See `Sink`."""
        return True

    def read(self, receipt: bytes) -> bytes:
        """See `Sink`."""
        row = json.loads(receipt)
        del row["file"]
        return json.dumps(row).encode()

    def finish(self) -> None:
        """See `Sink`."""
        with written_whole(self._path) as partial:
            WRITERS[self._path.suffix.lower()](partial, map(json.loads, self._receipts()))


def _write_json_lines(path: Path, rows: Iterator[Row]) -> None:
    with path.open("w", encoding="ascii") as file:
        for row in rows:
            file.write(json.dumps(row) + "\n")


def _write_csv(path: Path, rows: Iterator[Row]) -> None:
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "movement", "movement_probability", "era", "era_probability"])
        for row in rows:
            best = [row[key][0] for key in ("movements", "eras")]
            cells = [value for label in best for value in (label["name"], label["probability"])]
            table.writerow([row["file"], *cells])


def _write_parquet(path: Path, rows: Iterator[Row]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    labels = pa.list_(pa.struct([("name", pa.string()), ("probability", pa.float64())]))
    schema = pa.schema([("file", pa.string()), ("movements", labels), ("eras", labels)])
    with parquet.ParquetWriter(path, schema) as writer:
        while group := list(islice(rows, _ROWS_IN_A_GROUP)):
            for row in group:  # Parquet's strings are UTF-8.
                row["file"] = os.fsencode(row["file"]).decode(errors="replace")
            writer.write_table(pa.Table.from_pylist(group, schema))


WRITERS: Final[dict[str, Callable[[Path, Iterator[Row]], None]]] = {
    ".csv": _write_csv,
    ".jsonl": _write_json_lines,
    ".parquet": _write_parquet,
}
