"""What a run would do."""

from collections.abc import Iterable

from atelier._bulk.ledger import Ledger
from atelier._bulk.sink import Sink
from atelier._bulk.source import Source
from atelier._bulk.tally import Tally
from atelier._bulk.task import Task, content_digest
from atelier._errors import AtelierError


def count_unfinished(
    sources: Iterable[Source], task: Task, digest: bytes, sink: Sink, ledger: Ledger, tally: Tally
) -> None:
    """Counts in `tally` what would be computed, copied and skipped, and what cannot be read."""
    planned = set()
    for source in sources:
        try:
            data = source.read()
            task.prepared(data)
        except (AtelierError, OSError):
            tally.failed += 1
            continue
        content = content_digest(data)
        known, twin = ledger.find(source.name), ledger.twin(content, digest)
        if (
            known
            and known.content == content
            and known.task == digest
            and sink.holds(known.receipt)
        ):
            tally.skipped += 1
        elif content in planned or (twin and sink.holds(twin.receipt)):
            tally.copied += 1
        else:
            planned.add(content)
            tally.computed += 1
