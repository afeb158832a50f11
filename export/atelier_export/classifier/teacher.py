"""The teacher: statistics of VGG-19's activations, and linear probes on them.

Style is in the statistics of activations (Gatys et al. 2016; Huang and Belongie 2017, "AdaIN",
arXiv:1703.06868, use mean and deviation as here). They are kept for each cell of a grid, so that
the statistics of any crop follow from one pass over the whole image: the cells that it covers,
weighted by how much of each. Mirroring is taken to change nothing.

The student learns of an image from a probe that was not fitted to it (stacking, Wolpert 1992): one
that was fitted to it gives little more than the label.
"""

import logging
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from atelier_export.classifier.augmentation import Windows
from atelier_export.files.atomic_write import atomic_write
from atelier_export.losses.vgg import VGG19
from atelier_export.publishing.manifest import sha256
from atelier_export.training.device import fast_precision

LAYERS = ("relu3_1", "relu4_1", "relu5_1")
CHANNELS = 256 + 512 + 512
GRID = 4
"""Cells per side: the deepest layer has 2×2 values per cell in an image of 128 pixels."""
FOLDS = 5
"""Probes, each fitted to all folds of the images but one."""
PROBE_WEIGHT_DECAY = 3e-2
"""Chosen on the validation part of the paintings."""

_BATCH = 8

_log = logging.getLogger(__name__)


@torch.no_grad()
def cell_moments(vgg: VGG19, images: Tensor) -> Tensor:
    """First and second moments of VGG's activations in each cell of a grid.

    Args:
        vgg: The loss network.
        images: (B, 3, S, S) in 0..1, S a multiple of 16·GRID.

    Returns:
        (B, 2, C, GRID, GRID) float16: the mean and the root of the mean square, which unlike the
        mean square itself fits into float16.
    """
    with fast_precision(images.device):
        activations = vgg(images.contiguous(memory_format=torch.channels_last), LAYERS)
    moments = []
    for activation in activations.values():
        x = activation.float()  # (B, c, S/2ᵏ, S/2ᵏ)
        mean = F.adaptive_avg_pool2d(x, GRID)  # (B, c, GRID, GRID)
        square = F.adaptive_avg_pool2d(x.square(), GRID)
        moments.append(torch.stack([mean, square.sqrt()], dim=1))  # (B, 2, c, GRID, GRID)
    return torch.cat(moments, dim=2).half()


def cell_moments_in(folder: Path, vgg: Path, images: Tensor) -> Tensor:
    """The moments of all images, cached in a file that is named after the checksum of their source.

    Args:
        folder: The cache's folder; created if it does not exist.
        vgg: Weights of the loss network, see `VGG19.load`.
        images: (N, 3, S, S) uint8.

    Returns:
        (N, 2, C, GRID, GRID) float16, mapped from the file. An interrupted pass starts over.

    Raises:
        OSError: The weights cannot be read, or the file cannot be written.
        ValueError: The weights are not VGG-19's.
    """
    source = sha256(images.contiguous().numpy().tobytes() + vgg.read_bytes())
    cache = folder / f"vgg-moments-{source[:16]}.pt"
    if not cache.exists():
        network = VGG19.load(vgg).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        moments = torch.empty(len(images), 2, CHANNELS, GRID, GRID, dtype=torch.float16)
        for first in range(0, len(images), _BATCH):
            batch = images[first : first + _BATCH].float() / 255
            moments[first : first + _BATCH] = cell_moments(network, batch)
            if first % (64 * _BATCH) == 0:
                _log.info("VGG-19: %d of %d images", first, len(images))
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(cache) as partial:
            torch.save(moments, partial)
    cached: Tensor = torch.load(cache, mmap=True, weights_only=True)
    return cached


def window_statistics(moments: Tensor, windows: Windows | None = None) -> Tensor:
    """Mean and deviation of each channel in a window of each image.

    Args:
        moments: (B, 2, C, G, G), see `cell_moments`.
        windows: B windows; without any, whole images.

    Returns:
        (B, 2·C) float32.
    """
    cells = moments.shape[-1]
    mean, root = moments.float().flatten(3).unbind(dim=1)  # (B, C, G²) each
    if windows is None:
        weight = torch.full((len(moments), cells**2), 1 / cells**2)
    else:
        start, end = windows.start[:, :, None], (windows.start + windows.size)[:, :, None]
        edge = torch.arange(cells) / cells
        covered = torch.minimum(end, edge + 1 / cells) - torch.maximum(start, edge)  # (B, 2, G)
        columns, rows = (covered.clamp_min(0) / windows.size[:, :, None]).unbind(dim=1)
        weight = (rows[:, :, None] * columns[:, None, :]).flatten(1)  # (B, G²)
    mean = (mean @ weight[:, :, None]).squeeze(2)  # (B, C)
    square = (root.square() @ weight[:, :, None]).squeeze(2)
    return torch.cat([mean, (square - mean.square()).clamp_min(0).sqrt()], dim=1)


def fit_probe(
    x: Tensor, labels: Tensor, classes: int, weight_decay: float
) -> tuple[Tensor, Tensor]:
    """Multinomial logistic regression.

    Minimises the mean cross-entropy + weight_decay/2·‖W‖² (L-BFGS).

    Args:
        x: (n, P) float32, about standardised.
        labels: (n,) int64.
        classes: K.
        weight_decay: Above 0.

    Returns:
        W (K, P) and b (K).
    """
    weight = torch.zeros(classes, x.shape[1], requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(F.linear(x, weight, bias), labels)
        value = value + weight_decay / 2 * weight.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return weight.detach(), bias.detach()


def probe_probabilities(x: Tensor, labels: Tensor, training: Tensor, classes: int) -> Tensor:
    """Probabilities of a linear probe that is fitted to the training part, the student's baseline.

    Args:
        x: (N, P), statistics of whole images, see `window_statistics`.
        labels: (N,) int64.
        training: (n,) int64, indices of the training part.
        classes: K.

    Returns:
        (N, K).
    """
    mean, deviation = x[training].mean(dim=0), x[training].std(dim=0) + 1e-6
    x = (x - mean) / deviation
    weight, bias = fit_probe(x[training], labels[training], classes, PROBE_WEIGHT_DECAY)
    return F.linear(x, weight, bias).softmax(dim=1)


class Teacher(nn.Module):
    """The student's targets for windows of images: class probabilities and statistics."""

    def __init__(self, moments: Tensor, classes: int, components: int) -> None:
        """A teacher that is not fitted yet.

        Args:
            moments: (n, 2, C, G, G) of the images that the student is trained on.
            classes: K.
            components: Number D of principal components.
        """
        super().__init__()
        self._moments = moments
        statistics = 2 * moments.shape[2]
        self.register_buffer("mean", torch.zeros(statistics))
        self.register_buffer("deviation", torch.ones(statistics))
        self.register_buffer("projection", torch.zeros(statistics, components))
        self.register_buffer("weight", torch.zeros(FOLDS, classes, statistics))
        self.register_buffer("bias", torch.zeros(FOLDS, classes))
        self.mean: Tensor
        self.deviation: Tensor
        self.projection: Tensor
        self.weight: Tensor
        self.bias: Tensor

    def fit(self, labels: Tensor) -> None:
        """Fits probes and principal components to the whole images; `labels` are (n,)."""
        x = torch.cat(
            [window_statistics(some) for some in torch.split(self._moments, 256)]
        )  # (n, P)
        self.mean, self.deviation = x.mean(dim=0), x.std(dim=0) + 1e-6
        x = (x - self.mean) / self.deviation
        # Of x, not of its covariance, most of whose eigenvalues are 0 where images are few: on some
        # processors LAPACK finds none then.
        _, values, directions = torch.linalg.svd(x, full_matrices=False)  # descending
        deviations = (values.square() / len(x) + 1e-6).sqrt()
        self.projection = (directions.T / deviations)[:, : self.projection.shape[1]]
        fold = _fold(torch.arange(len(x)))
        for number in range(FOLDS):
            others = fold != number
            self.weight[number], self.bias[number] = fit_probe(
                x[others], labels[others], self.bias.shape[1], PROBE_WEIGHT_DECAY
            )

    @torch.no_grad()
    def forward(self, indices: Tensor, windows: Windows) -> tuple[Tensor, Tensor]:
        """The targets for windows of images.

        Args:
            indices: (B,) int64, indices of the images in the moments.
            windows: B windows.

        Returns:
            Probabilities (B, K), and whitened principal components (B, D).
        """
        x = window_statistics(self._moments[indices], windows)
        x = (x - self.mean) / self.deviation  # (B, P)
        fold = _fold(indices)
        logits = torch.einsum("bkp,bp->bk", self.weight[fold], x) + self.bias[fold]  # (B, K)
        return logits.softmax(dim=1), x @ self.projection


def _fold(indices: Tensor) -> Tensor:
    # Images come by name, and neighbours may show one work: they share a fold.
    return indices // 16 % FOLDS
