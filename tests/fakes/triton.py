"""Servers of the tests' models."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from atelier_serving import TritonServer

COMPLETE = "--disable-auto-complete-config"
"""Spares Triton the process that would complete the configuration of each Python model: nothing is
missing in those of the tests."""


@contextmanager
def serving(repository: Path, **settings: Any) -> Iterator[TritonServer]:
    """Serves complete models for the time of a block, in which the server has to stay alive.

    It ends at once. To end in order, Triton takes more than a second for each process of a model,
    one after the other; tests of that end call `TritonServer.stop`.
    """
    server = TritonServer(repository, **{"options": [COMPLETE], **settings}).start()
    try:
        yield server
        assert server.running
    finally:
        server.kill()
        server.wait()
