"""The published encoder and decoder, run in ONNX Runtime."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atelier_export.data.images import Pixels
from atelier_export.onnx_graph.runtime import cpu_session
from atelier_export.publishing.manifest import Manifest, sha256
from atelier_export.publishing.repository import MANIFEST, versions

Latents = NDArray[np.float32]
"""(n, L)."""

_BATCH = 16


class VAEGraphs:
    """An encoder and a decoder as ONNX graphs, run by ONNX Runtime on the CPU."""

    def __init__(self, encoder: bytes, decoder: bytes) -> None:
        """Loads both; raises ValueError if ONNX Runtime refuses one."""
        self._encoder = cpu_session(encoder)
        self._decoder = cpu_session(decoder)

    def encode(self, images: Pixels) -> tuple[Latents, Latents]:
        """Mean and log-variance, (n, L) each, of images (n, N, N, 3)."""
        outputs = [
            self._encoder.run(["mean", "log_variance"], {"image": images[first : first + _BATCH]})
            for first in range(0, len(images), _BATCH)
        ]
        mean, log_variance = (np.concatenate(each) for each in zip(*outputs, strict=True))
        return mean, log_variance

    def decode(self, latents: Latents) -> Pixels:
        """Images (n, N, N, 3) of latents (n, L)."""
        outputs = [
            self._decoder.run(["image"], {"latent": latents[first : first + _BATCH]})[0]
            for first in range(0, len(latents), _BATCH)
        ]
        images: Pixels = np.concatenate(outputs)
        return images

    def rebuild(self, images: Pixels) -> Pixels:
        """Images (n, N, N, 3) from the means of their posteriors."""
        return self.decode(self.encode(images)[0])


class PublishedVAE(VAEGraphs):
    """Both models of one version, in float32."""

    def __init__(self, repository: Path) -> None:
        """Reads the newest version that both models have.

        Raises:
            FileNotFoundError: There is none.
        """
        folders = {name: repository / name for name in ("vae_encoder", "vae_decoder")}
        both = set.intersection(*(set(versions(folder)) for folder in folders.values()))
        if not both:
            raise FileNotFoundError(
                f"{repository} holds no version of {' and '.join(folders)}; "
                "`atelier export vae` publishes one"
            )
        self.version = max(both)
        files = {name: folder / str(self.version) for name, folder in folders.items()}
        self.graphs = {name: (each / "model.onnx").read_bytes() for name, each in files.items()}
        manifest = (files["vae_decoder"] / MANIFEST).read_bytes()
        provenance: dict[str, Any] = Manifest.from_json(manifest).provenance
        self.network: dict[str, Any] = provenance["network"]
        self.scale: float = provenance["scale"]
        super().__init__(*self.graphs.values())

    @property
    def checksums(self) -> dict[str, str]:
        """sha256 of both graphs by the models' names."""
        return {name: sha256(graph) for name, graph in self.graphs.items()}
