"""Manifests: the provenance of each published version, and what its export measured."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Manifest:
    """The content of the `manifest.json` of a version. Both parts are plain JSON objects.

    Attributes:
        provenance: What the version is made of: the same for every export of one checkpoint.
        measured: Parity and tool versions of the export; may vary with the machine.
    """

    provenance: dict[str, Any]
    measured: dict[str, Any]

    def to_json(self) -> bytes:
        """The file's content: the same bytes for the same manifest."""
        content = {**self.provenance, "measured": self.measured}
        return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """Reads what `to_json` wrote; raises ValueError for anything else."""
        provenance = json.loads(content)
        if not isinstance(provenance, dict) or "measured" not in provenance:
            raise ValueError("not a manifest: it has no 'measured'")
        return cls(provenance, provenance.pop("measured"))


def sha256(content: bytes) -> str:
    """The checksum in hexadecimal, as `sha256sum` prints it."""
    return hashlib.sha256(content).hexdigest()


def fingerprints(files: Mapping[str, bytes]) -> dict[str, Any]:
    """Size and checksum of each file, by its path relative to the manifest."""
    return {
        path: {"bytes": len(content), "sha256": sha256(content)}
        for path, content in sorted(files.items())
    }
