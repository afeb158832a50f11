"""Where a run writes, and where it keeps its own files."""

import hashlib
import os
from pathlib import Path
from typing import Final

from atelier._bulk.folder_sink import FolderSink
from atelier._bulk.ledger import Ledger
from atelier._bulk.sink import Sink
from atelier._bulk.table_sink import WRITERS, TableSink
from atelier._bulk.tar_sink import TarSink

STATE: Final = "_atelier"


def state_folder(out: str) -> Path:
    """Where the ledger, errors.jsonl and summary.json of an output are.

    In a folder, its `_atelier`; beside a file, its name with `._atelier`; for a URL, a folder in
    $XDG_STATE_HOME or ~/.local/state.
    """
    if "://" in out:
        home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
        return Path(home, "atelier", hashlib.blake2b(out.encode(), digest_size=8).hexdigest())
    return Path(f"{out}.{STATE}") if _is_file(out) else Path(out, STATE)


def sink_of(out: str, ledger: Ledger, digest: bytes, *, table: bool) -> Sink:
    """The sink for an output.

    Args:
        out: A folder, a tar, a URL for fsspec, or a table.
        ledger: What is finished.
        digest: Of the task.
        table: Whether the results are rows.

    Raises:
        ValueError: The output is not for such results.
        OSError: It cannot be written.
    """
    suffix = Path(out).suffix.lower()
    if table != (suffix in WRITERS):
        wanted = "a table: .csv, .jsonl or .parquet" if table else "a folder, a .tar or a URL"
        raise ValueError(f"{out}: the results go to {wanted}")
    if table:
        if "://" in out:
            raise ValueError(f"{out}: a table is written on this machine; give a path")
        return TableSink(Path(out), lambda: ledger.receipts(digest))
    if "://" in out:
        from atelier._bulk.remote import RemoteSink

        return RemoteSink(out)
    if suffix == ".tar":
        return TarSink(Path(out), ledger.receipts())
    return FolderSink(Path(out))


def _is_file(out: str) -> bool:
    return Path(out).suffix.lower() in {".tar", *WRITERS}
