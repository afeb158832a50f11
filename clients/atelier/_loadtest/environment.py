"""On what machine, with which versions, and when."""

import os
import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from atelier._calls import ModelVersions
from atelier._client import Client
from atelier._conversation import Conversation
from atelier._extras import DISTRIBUTION

_PACKAGES: Final = (DISTRIBUTION, "grpcio", "hdrhistogram", "numpy", "tritonclient")


def environment(client: Client, models: Iterable[str]) -> dict[str, Any]:
    """The client's machine and packages, the server's address and its models' versions."""
    versions = {model: client._converse(_versions(model), client.timeout) for model in models}
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "url": client.url,
        "models": versions,
        "machine": {
            "processor": _processor(),
            "cores": len(os.sched_getaffinity(0)),
            "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            "system": platform.platform(),
            "python": platform.python_version(),
        },
        "packages": {name: metadata.version(name) for name in _PACKAGES},
    }


def _versions(model: str) -> Conversation[list[str]]:
    versions: list[str] = yield ModelVersions(model)
    return versions


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
