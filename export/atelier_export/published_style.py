"""The style network as it is served: the ONNX file in a model repository, without PyTorch."""

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atelier_export.manifest import sha256
from atelier_export.publish import CONFIG
from atelier_export.style_names import check_style_names

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime

Pixels = NDArray[np.uint8]
"""A picture (H, W, 3), RGB."""
RUNTIME = str(onnxruntime.__version__)
"""ONNX Runtime's version."""

_COMMENT = re.compile(r"^\s*#.*$", re.MULTILINE)
_STYLES = re.compile(
    r"""key\s*:\s*["']styles["']\s*,?\s*value\s*:?\s*\{\s*string_value\s*:\s*["']([^"']*)["']"""
)


class StyleGraph:
    """A style network as an ONNX graph, run by ONNX Runtime on the CPU.

    Attributes:
        styles: Names of its styles, in the order of the weight vector.
    """

    def __init__(self, graph: bytes, styles: tuple[str, ...]) -> None:
        """Loads the graph; raises ValueError if it is none of a network with so many styles."""
        self.styles = styles
        try:
            self._session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's own have no class in common.
            raise ValueError(f"ONNX Runtime refuses it: {error}") from error
        shapes = {each.name: each.shape for each in self._session.get_inputs()}
        weights = shapes["style"][-1] if shapes.keys() == {"image", "style"} else None
        if weights != len(styles):
            raise ValueError(f"it takes {shapes}, not an image and {len(styles)} weights")

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
            ValueError: The configuration does not name the styles that the model takes.
        """
        folder = repository / "style"
        versions = [
            int(each.parent.name)
            for each in folder.glob("*/model.onnx")
            if each.parent.name.isdecimal()
        ]
        if not versions:
            raise FileNotFoundError(
                f"{folder} holds no version with a model.onnx; `atelier export style` publishes one"
            )
        self.version = max(versions)
        graph = (folder / str(self.version) / "model.onnx").read_bytes()
        self.sha256 = sha256(graph)
        try:
            super().__init__(graph, _read_styles(folder / CONFIG))
        except ValueError as error:
            raise ValueError(
                f"{folder}: version {self.version} does not fit {CONFIG} ({error}); export it again"
            ) from error


def _read_styles(config: Path) -> tuple[str, ...]:
    found = _STYLES.search(_COMMENT.sub("", config.read_text(encoding="utf-8")))
    if found is None:
        raise ValueError(f"{config} has no parameter 'styles' that names the network's styles")
    styles = tuple(name.strip() for name in found[1].split(","))
    check_style_names(styles)
    return styles
