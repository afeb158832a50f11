"""What is finished, so that a run that was killed goes on where it was."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# A row is there only when its result is: it is written after the result, in a transaction of its
# own. With a write-ahead log, a kill of the process loses no committed row, and a power failure
# the last ones at most. The exclusive mode needs no shared memory, which network file systems lack.
_OPENING: Final = """
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS finished (
    name BLOB PRIMARY KEY, stamp TEXT, content BLOB, task BLOB, pixels INTEGER, receipt BLOB
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_work ON finished (content, task);
BEGIN IMMEDIATE;
COMMIT;
"""
_COLUMNS: Final = "stamp, content, task, pixels, receipt"


class LedgerInUseError(Exception):
    """Another run has the ledger open."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What was made of one source.

    Attributes:
        stamp: Of the source, see `Source.stamp`.
        content: The digest of its content.
        task: The digest of everything else that the result depends on.
        pixels: Of the image.
        receipt: By which the sink finds the result again.
    """

    stamp: str | None
    content: bytes
    task: bytes
    pixels: int
    receipt: bytes


class Ledger:
    """The finished sources by name, in an SQLite file; threads share it.

    Args:
        path: The file; made if it is not there. ":memory:" is one that is forgotten.

    Raises:
        LedgerInUseError: Another run has it open.
        OSError: It cannot be opened.
    """

    def __init__(self, path: Path | str) -> None:
        self._lock = threading.Lock()
        try:
            self._database = sqlite3.connect(
                path, timeout=0, isolation_level=None, check_same_thread=False
            )
            self._database.executescript(_OPENING)
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise LedgerInUseError from error
            raise OSError(f"{path}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise OSError(f"{path} is no ledger of a bulk run: {error}") from error

    def find(self, name: str) -> Finished | None:
        """What is known of the source of this name."""
        query = f"SELECT {_COLUMNS} FROM finished WHERE name = ?"  # noqa: S608
        return self._one(query, os.fsencode(name))

    def twin(self, content: bytes, task: bytes) -> Finished | None:
        """What was made of the same content by the same task, under whatever name."""
        query = f"SELECT {_COLUMNS} FROM finished WHERE content = ? AND task = ?"  # noqa: S608
        return self._one(query, content, task)

    def record(self, name: str, finished: Finished) -> None:
        """Records a source as finished. Raises OSError where that cannot be written."""
        row = (
            os.fsencode(name), finished.stamp, finished.content, finished.task, finished.pixels,
            finished.receipt,
        )  # fmt: skip
        try:
            with self._lock:
                self._database.execute("INSERT OR REPLACE INTO finished VALUES (?,?,?,?,?,?)", row)
        except sqlite3.OperationalError as error:
            raise OSError(f"the ledger cannot be written: {error}") from error

    def receipts(self, task: bytes | None = None) -> Iterator[bytes]:
        """The receipts of a task, or of all of them, by the names of their sources."""
        condition, values = ("", ()) if task is None else ("WHERE task = ?", (task,))
        query = f"SELECT receipt FROM finished {condition} ORDER BY name"  # noqa: S608
        with self._lock:
            for (receipt,) in self._database.execute(query, values):
                yield receipt

    def forget(self) -> None:
        """Begins anew."""
        with self._lock:
            self._database.execute("DELETE FROM finished")

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._database.close()

    def _one(self, query: str, *values: bytes) -> Finished | None:
        with self._lock:
            row = self._database.execute(query, values).fetchone()
        return None if row is None else Finished(*row)
