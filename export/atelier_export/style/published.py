"""The style network as it is served: the ONNX file in a model repository, run without PyTorch."""

from pathlib import Path
from typing import Any

import numpy as np

from atelier_export.data.images import Pixels
from atelier_export.onnx_graph.runtime import cpu_session
from atelier_export.publishing.manifest import Manifest, sha256
from atelier_export.publishing.repository import MANIFEST, versions


class StyleGraph:
    """A style network as an ONNX graph, run by ONNX Runtime on the CPU.

    Attributes:
        styles: Names of its styles, in the order of the weight vector.
    """

    def __init__(self, graph: bytes, styles: tuple[str, ...]) -> None:
        """Loads the graph; raises ValueError if its inputs are not an image and any weights."""
        self.styles = styles
        self._session = cpu_session(graph)
        shapes = {each.name: each.shape for each in self._session.get_inputs()}
        if shapes.keys() != {"image", "style"} or not isinstance(shapes["style"][-1], str):
            raise ValueError(f"the graph takes {shapes}, not an image and weights of any number")

    def paint(self, photograph: Pixels, style: str) -> Pixels:
        """Repaints a photograph (H, W, 3) in one of the styles; the result has its size."""
        weights = np.zeros((1, len(self.styles)), np.float32)
        weights[0, self.styles.index(style)] = 1
        feed: dict[str, Any] = {"image": photograph[None], "style": weights}
        (painted,) = self._session.run(["stylized"], feed)
        result: Pixels = painted[0]
        return result


class PublishedStyle(StyleGraph):
    """The newest version of the model `style` in a repository.

    Attributes:
        version: Its number.
        sha256: Checksum of its model.onnx.
    """

    def __init__(self, repository: Path) -> None:
        """Loads the model.

        Raises:
            FileNotFoundError: The repository holds no version of it.
            ValueError: Its manifest does not name the styles that the model takes.
        """
        folder = repository / "style"
        complete = (
            version
            for version in versions(folder)
            if (folder / str(version) / "model.onnx").is_file()
        )
        newest = max(complete, default=None)
        if newest is None:
            raise FileNotFoundError(
                f"{folder} holds no version with a model.onnx; `atelier export style` publishes one"
            )
        self.version = newest
        files = folder / str(newest)
        graph = (files / "model.onnx").read_bytes()
        self.sha256 = sha256(graph)
        try:
            manifest = Manifest.from_json((files / MANIFEST).read_bytes())
            super().__init__(graph, tuple(manifest.provenance["styles"]))
        except (KeyError, TypeError):
            raise ValueError(f"{files / MANIFEST} names no styles; export it again") from None
        except (FileNotFoundError, ValueError) as error:
            raise ValueError(f"{files} cannot be evaluated ({error}); export it again") from error
