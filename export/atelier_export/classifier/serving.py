"""The classifier as it is served: pixels of any size in, probabilities out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from atelier_export.classifier.checkpoint import ClassifierCheckpoint
from atelier_export.classifier.int8 import ClassifierQuality
from atelier_export.classifier.network import Classifier
from atelier_export.data.paintings import ERAS, MOVEMENTS
from atelier_export.data.synthetic import synthetic_image
from atelier_export.publishing.calibration import INT8_FILES, Calibration
from atelier_export.publishing.served_model import (
    GpuServing,
    Graph,
    Inputs,
    Output,
    Profile,
    Quantised,
    ServedModel,
)
from atelier_export.publishing.triton_config import triton_config

PARITY_SIZES = ((16, 16), (17, 300), (128, 128), (130, 190), (512, 384))
"""Heights and widths that are compared, each with a batch of one and of three."""
PARITY_SEED = 20170316
TOLERANCE = 1e-3
"""Largest difference of a served probability from PyTorch's: a value of the resized image between
two levels may be rounded to either of them."""
MEAN_DIFFERENCES = {"probabilities": 0.02, "era_probabilities": 0.05}
"""Largest mean differences of 8 bits from PyTorch, on synthetic images."""

PROFILES = {"image": Profile((1, 16, 16, 3), (8, 512, 512, 3), (8, 4096, 4096, 3))}
"""What TensorRT's engines are built for: the images of `classify`, up to an aspect of 4:1."""


class ServedClassifier(nn.Module):
    """A classifier after the resizing of its training, and its classes summed to groups.

    The whole image is squashed to a square, antialiased (the triangle filter that Pillow and
    PyTorch share), and rounded to levels as the images of the training were.
    """

    def __init__(self, network: Classifier, side: int, groups: Tensor) -> None:
        """Wraps a network whose logits are calibrated, see `calibration.with_temperature`.

        Args:
            network: The classifier.
            side: Side in pixels of the images that it was trained on.
            groups: (K, G), 1 where a class belongs to a group.
        """
        super().__init__()
        self.network = network
        self.side = side
        self.groups: Tensor
        self.register_buffer("groups", groups.float())

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Classifies a batch.

        Args:
            image: (B, H, W, 3) uint8, RGB; H and W at least 16.

        Returns:
            Probabilities of the classes (B, K) and of the groups (B, G), float32; each row adds up
            to 1.
        """
        x = image.permute(0, 3, 1, 2).float()  # (B, 3, H, W)
        size = [self.side, self.side]
        x = F.interpolate(x, size, mode="bilinear", antialias=True)  # (B, 3, side, side)
        probabilities = self.network(x.round() / 255).softmax(dim=1)  # (B, K)
        return probabilities, probabilities @ self.groups


def group_matrix(classes: Sequence[str], groups: Mapping[str, Sequence[str]]) -> Tensor:
    """(K, G) float32, 1 where the class of the row is in the group of the column."""
    rows = [[float(name in members) for members in groups.values()] for name in classes]
    return torch.tensor(rows)


def classifier_models(
    checkpoint: ClassifierCheckpoint, calibration: Calibration[ClassifierQuality] | None = None
) -> list[ServedModel]:
    """What is published of a classifier: `classifier`, and the configuration of `classify`.

    Args:
        checkpoint: The network.
        calibration: With it, processors take the network in 8 bits.

    Raises:
        ValueError: The checkpoint's classes are not the movements.
    """
    if checkpoint.classes != MOVEMENTS:
        raise ValueError(
            f"the classes {', '.join(checkpoint.classes)} cannot be served; "
            f"train on paintings, whose classes are {', '.join(MOVEMENTS)}"
        )
    side = checkpoint.training["last_side"]
    sizes = {"movements": len(MOVEMENTS), "eras": len(ERAS)}
    labels = {"movements.txt": _lines(MOVEMENTS), "eras.txt": _lines(ERAS)}
    return [
        ServedModel(
            name="classifier",
            config=triton_config(
                Path(__file__).with_name("classifier.pbtxt"),
                **sizes,
                files=INT8_FILES if calibration else "",
            ),
            graph=classifier_graph(checkpoint.network, side),
            quantised=(
                Quantised(calibration.ranges["classifier"], MEAN_DIFFERENCES)
                if calibration
                else None
            ),
            gpu=GpuServing(PROFILES),
            model_files=labels,
            provenance={
                "network": asdict(checkpoint.network.config),
                "side": side,
                "movements": MOVEMENTS,
                "eras": ERAS,
                **({"int8": asdict(calibration.quality)} if calibration else {}),
            },
        ),
        ServedModel(
            name="classify",
            config=triton_config(Path(__file__).with_name("classify.pbtxt"), **sizes),
            model_files=labels,
        ),
    ]


def classifier_graph(network: Classifier, side: int) -> Graph:
    """A network as it is served, see `ServedClassifier`; batch, height and width are dynamic."""
    served = ServedClassifier(network, side, group_matrix(MOVEMENTS, ERAS))
    return Graph(
        module=served,
        reference=served,
        # Sizes that no other dimension of the network has.
        example={"image": torch.zeros(2, 66, 98, 3, dtype=torch.uint8)},
        dynamic_axes={"image": {0: "batch", 1: "height", 2: "width"}},
        outputs={
            "probabilities": Output(("batch", len(MOVEMENTS)), TOLERANCE),
            "era_probabilities": Output(("batch", len(ERAS)), TOLERANCE),
        },
        parity_batches=_parity_batches,
    )


def _parity_batches() -> Iterator[Inputs]:
    generator = torch.Generator().manual_seed(PARITY_SEED)
    for height, width in PARITY_SIZES:
        for batch in (1, 3):
            images = [synthetic_image(height, width, generator) for _ in range(batch)]
            yield {"image": torch.cat(images)}


def _lines(names: Sequence[str] | Mapping[str, Sequence[str]]) -> bytes:
    return "".join(f"{name}\n" for name in names).encode()
