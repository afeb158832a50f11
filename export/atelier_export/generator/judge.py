"""What a trained classifier says of images: features and probabilities."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor

from atelier_export.classifier.checkpoint import ClassifierCheckpoint, load_classifier_checkpoint


@dataclass(frozen=True)
class Judgement:
    """Of n images.

    Attributes:
        features: (n, F) float32, what the classifier's last layer sees.
        probabilities: (n, K) float32.
    """

    features: NDArray[np.float32]
    probabilities: NDArray[np.float32]

    @property
    def classes(self) -> NDArray[np.intp]:
        """The most probable classes, (n,)."""
        found: NDArray[np.intp] = self.probabilities.argmax(axis=1)
        return found

    def where(self, chosen: NDArray[np.bool_]) -> "Judgement":
        """That of some of the images, (n,)."""
        return Judgement(self.features[chosen], self.probabilities[chosen])


class Judge:
    """A classifier, whose feature space distances are measured in."""

    def __init__(self, path: Path, classes: tuple[str, ...]) -> None:
        """Loads a checkpoint.

        Args:
            path: Of a classifier.
            classes: The classes that it must know, in their order.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: It is no classifier, or one of other classes.
        """
        checkpoint: ClassifierCheckpoint = load_classifier_checkpoint(path)
        if checkpoint.classes != classes:
            raise ValueError(
                f"{path} knows the classes {', '.join(checkpoint.classes)}, "
                f"not {', '.join(classes)}"
            )
        self._network = checkpoint.network
        self._side: int = checkpoint.training["last_side"]

    @torch.no_grad()
    def __call__(self, images: Tensor, batch: int = 64) -> Judgement:
        """Judges images (n, 3, N, N) uint8."""
        features, probabilities = [], []
        for some in torch.split(images, batch):
            x = some.float()  # (B, 3, N, N)
            if x.shape[-1] != self._side:
                x = F.interpolate(x, [self._side] * 2, mode="bilinear", antialias=True).round()
            features.append(self._network.features(x / 255))  # (B, F)
            probabilities.append(self._network.head(features[-1]).softmax(dim=1))  # (B, K)
        return Judgement(torch.cat(features).numpy(), torch.cat(probabilities).numpy())
