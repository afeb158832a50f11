"""The published generator, run in ONNX Runtime."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atelier_export.data.images import Pixels
from atelier_export.onnx_graph.runtime import cpu_session
from atelier_export.publishing.manifest import Manifest, sha256
from atelier_export.publishing.repository import MANIFEST, versions

_BATCH = 16


class GeneratorGraph:
    """A generator as an ONNX graph, run by ONNX Runtime on the CPU."""

    def __init__(self, graph: bytes) -> None:
        """Loads it; raises ValueError if ONNX Runtime refuses it."""
        self._session = cpu_session(graph)

    def paint(self, latents: NDArray[np.float32], labels: NDArray[np.int64]) -> Pixels:
        """Images (n, N, N, 3) of latents (n, Z) and labels (n,)."""
        images: Pixels = np.concatenate(
            [
                self._session.run(
                    ["image"],
                    {
                        "latent": latents[first : first + _BATCH],
                        "movement": labels[first : first + _BATCH, None],
                    },
                )[0]
                for first in range(0, len(latents), _BATCH)
            ]
        )
        return images


class PublishedGenerator(GeneratorGraph):
    """The newest version of the model `generator`, in float32.

    Attributes:
        version: Its number.
        graph: Its model.onnx.
        movements: Names of its movements, in the order of the labels.
        latent: Length Z of its latents.
        side: Side N of its images.
    """

    def __init__(self, repository: Path) -> None:
        """Reads the model; raises FileNotFoundError if the repository holds no version of it."""
        folder = repository / "generator"
        newest = max(versions(folder), default=None)
        if newest is None:
            raise FileNotFoundError(
                f"{folder} holds no version; `atelier export generator` publishes one"
            )
        self.version = newest
        files = folder / str(newest)
        self.graph = (files / "model.onnx").read_bytes()
        provenance: dict[str, Any] = Manifest.from_json((files / MANIFEST).read_bytes()).provenance
        self.movements: tuple[str, ...] = tuple(provenance["movements"])
        self.latent: int = provenance["network"]["latent"]
        self.side: int = provenance["vae"]["side"]
        super().__init__(self.graph)

    @property
    def checksum(self) -> str:
        """sha256 of the graph."""
        return sha256(self.graph)
